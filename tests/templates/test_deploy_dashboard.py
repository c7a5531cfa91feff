"""The service template's Prometheus and Grafana: what they ask for is what the kit exports."""

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mlops_kit.monitor import write_gauges
from mlops_kit.new import create
from mlops_kit.serve_metrics import ServiceMetrics

Content = dict[str, Any]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usual") / "project"
    create("service", folder, git=False)
    return folder


def compose(project: Path) -> Content:
    content: Content = yaml.safe_load((project / "compose.yml").read_text())
    return content


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Give each metric that the service and monitoring export, with its labels."""
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    metrics = ServiceMetrics()
    for family in metrics.registry.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
        collector = metrics.registry._names_to_collectors[family.name]
        for ending in endings[family.type]:
            labels = {*collector._labelnames} | ({"le"} if ending == "_bucket" else set())
            found[family.name + ending] = labels
    column = types.SimpleNamespace(
        column="fare", role="input", distance=0.1, psi=0.1, missing=0.0, flagged=False
    )
    page = write_gauges(
        types.SimpleNamespace(  # type: ignore[arg-type]
            ok=True,
            open=[types.SimpleNamespace(name="drift", column="fare", since="now")],
            latest=types.SimpleNamespace(columns=[column]),
            health=[types.SimpleNamespace(rows=1, requests=1, failed=0, refused=0, p99_ms=1.0)],
            error=types.SimpleNamespace(rows=1, error=0.1),
            estimate=types.SimpleNamespace(accuracy=0.9),
        ),
        tmp_path_factory.mktemp("gauges") / "monitor.prom",
    )
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", page.read_text(), re.MULTILINE):
        found[name] = set(re.findall(r"(\w+)=", labels))
    assert len(found) > 20
    return found


def selectors(node: Any) -> Iterator[tuple[str, set[str]]]:
    """Walk an expression: each metric with the labels that are asked of it."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers}
        return
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or []:
        yield from selectors(inner)


def query_problems(query: str, exported: dict[str, set[str]]) -> list[str]:
    """Say which metrics and labels of a query nobody exports."""
    plain = query.replace("$__rate_interval", "5m")
    found = list(selectors(promql_parser.parse(plain)))
    problems = [] if found else [f"{query} asks for no metric"]
    known = {"job", "instance"}
    for name, labels in found:
        if name not in exported:
            problems.append(f"nobody exports {name}")
        else:
            known |= exported[name]
            problems += [f"{name} has no label {x}" for x in labels - exported[name] - {"job"}]
    grouped = {
        label.strip()
        for listed in re.findall(r"\bby \(([^)]*)\)", plain)
        for label in listed.split(",")
    }
    return problems + [f"nothing here has the label {label}" for label in grouped - known]


def dashboard(project: Path) -> Content:
    content: Content = json.loads(
        (project / "deploy" / "grafana" / "dashboards" / "service.json").read_text("utf-8")
    )
    return content


def test_every_panel_asks_for_what_is_exported(usual: Path, exported: dict[str, set[str]]) -> None:
    """Metric and label names in the dashboard's PromQL, and in its legends, are true."""
    queries = 0
    for panel in dashboard(usual)["panels"]:
        for target in panel.get("targets", []):
            assert query_problems(target["expr"], exported) == [], panel["title"]
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            assert shown <= {x.strip() for listed in grouped for x in listed.split(",")}
            queries += 1
    assert queries > 15


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(mlops_kit_serve_request_total[5m]))",
        'sum(rate(mlops_kit_serve_requests_total{code="500"}[5m]))',
        "sum by (column) (rate(mlops_kit_serve_requests_total[5m]))",
        "vector(1)",
    ],
)
def test_a_wrong_query_is_noticed(query: str, exported: dict[str, set[str]]) -> None:
    """A metric, a label or a grouping that isn't there."""
    assert query_problems(query, exported)


def test_the_dashboard_is_provisioned_and_tidy(usual: Path) -> None:
    """Its source exists, its file lies where Grafana looks, and no panel covers another."""
    content, grafana = dashboard(usual), usual / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((grafana / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((grafana / "dashboards" / "files.yml").read_text())["providers"]
    mounts = [volume.split(":") for volume in compose(usual)["services"]["grafana"]["volumes"]]
    assert ["./deploy/grafana/dashboards", provider["options"]["path"], "ro"] in mounts
    assert ["./deploy/grafana/provisioning", "/etc/grafana/provisioning", "ro"] in mounts
    taken: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        grid = panel["gridPos"]
        cells = {
            (grid["x"] + dx, grid["y"] + dy) for dx in range(grid["w"]) for dy in range(grid["h"])
        }
        assert grid["x"] + grid["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == source["uid"]
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])


def test_prometheus_reads_the_service_and_its_alerts_can_fire(
    usual: Path, exported: dict[str, set[str]]
) -> None:
    """Targets are compose's services; every alert's metrics exist; each says what to do."""
    folder = usual / "deploy" / "prometheus"
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    ports = {f"{name}:8000" for name in compose(usual)["services"]}
    jobs = {}
    for job in config["scrape_configs"]:
        assert set(job) <= {"job_name", "metrics_path", "scrape_interval", "static_configs"}
        (targets,) = job["static_configs"]
        assert set(targets["targets"]) <= ports
        jobs[job["job_name"]] = job["metrics_path"]
    assert jobs["service"] == "/metrics"
    alerts = []
    for name in config["rule_files"]:
        for group in yaml.safe_load((folder / name).read_text())["groups"]:
            alerts += group["rules"]
    for alert in alerts:
        assert query_problems(alert["expr"], exported) == [], alert["alert"]
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["action"]
        for job in re.findall(r'job="(\w+)"', alert["expr"]):
            assert job in jobs
    assert len(alerts) >= 6
