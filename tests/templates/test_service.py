"""The service template with other answers: rendered, linted, typed, tested, given other data."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_kit.new import create
from mlops_kit.new_templates import ARCHIVE

ROOT = Path(__file__).resolve().parents[2]
Made = Callable[..., Path]
ANSWERS: list[dict[str, str]] = [
    {},
    {"task": "regression", "ci": "both", "tracking": "server", "deploy": "compose"},
    {
        "package": "p" * 50,
        "project_name": "Fares's $now",
        "description": "Says what it’s going to cost — " * 6,
        "owner": "R&D: data #1",
        "ci": "none",
        "deploy": "none",
        "python": "3.13",
    },
    {
        "task": "regression",
        "package": "x",
        "ci": "gitlab",
        "tracking": "server",
        "deploy": "kubernetes",
        "python": "3.12",
    },
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make a project of some answers, once."""
    root = tmp_path_factory.mktemp("projects")

    @functools.cache
    def project(answers: str) -> Path:
        folder = root / str(len(list(root.iterdir())))
        create("service", folder, answers=json.loads(answers), git=False)
        return folder

    return lambda **answers: project(json.dumps(answers, sort_keys=True))


def run(
    folder: Path, *command: str, python: Sequence[str] = (sys.executable,), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a module in a project, with the project's package found first."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("APP_")}
    # A project has none of the plugins that are installed here.
    clean |= {"PYTHONPATH": "src", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if len(python) > 1:
        clean["WARM_PYTHON"] = str(Path(python[-1]).with_name("python"))
    return subprocess.run(
        [*python, "-m", *command],
        cwd=folder,
        env={**clean, **variables},
        capture_output=True,
        text=True,
    )


def texts(folder: Path) -> dict[str, str]:
    """Read every file, but for the template that `mlops-kit update` compares with."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {n: p.read_text("utf-8") for n, p in files.items() if p.is_file() and n != ARCHIVE}


@pytest.mark.parametrize("answers", ANSWERS, ids=range(len(ANSWERS)))
def test_any_answers_give_clean_code(made: Made, answers: dict[str, str]) -> None:
    """Linted, formatted and compiled, with settings and heads that are YAML."""
    folder = made(**answers)
    for words in (("check",), ("format", "--check", "--diff")):
        done = run(folder, "ruff", *words, "--no-cache", ".")
        assert done.returncode == 0, done.stdout + done.stderr
    for name, text in texts(folder).items():
        if name.endswith(".py"):
            compile(text, name, "exec")
        if name.startswith("conf/"):
            assert isinstance(yaml.safe_load(text), dict), name
        if name.startswith("docs/"):
            assert yaml.safe_load(text.split("---\n")[1])["principle"], name


@pytest.mark.parametrize("answers", ANSWERS, ids=range(len(ANSWERS)))
def test_nothing_is_left_to_be_done_or_switched_off(made: Made, answers: dict[str, str]) -> None:
    """Neither marks of the template nor notes to oneself; links lead somewhere."""
    folder = made(**answers)
    for name, text in texts(folder).items():
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", text), name
        assert not re.search(r"\{%-? |\{\{ (package|slug|owner|task)\b", text), name
        assert not re.search(r"pytest\.mark\.(skip|xfail)|type: ignore|# pragma", text), name
    for name in ("README.md", "docs/runbook.md", "docs/model-card.md", "docs/data-card.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (folder / name).read_text("utf-8")):
            assert (folder / name).parent.joinpath(link).exists(), f"{name}: {link}"


def test_only_the_kits_public_modules_are_used(made: Made) -> None:
    """And nothing of the course; the simulated world in the one file that its user replaces."""
    allowed = {"contracts", "data", "drift", "errors", "gate_rules", "gates", "monitor"}
    allowed |= {"monitor_labels", "monitor_log", "registry", "registry_calls", "serve"}
    allowed |= {"serve_registry", "stores", "tracking", "worlds"}
    for name, text in texts(made()).items():
        if not name.endswith(".py"):
            continue
        assert not re.search(r"^\s*(from|import) (autograder|labs|book)\b", text, re.MULTILINE)
        used = set(re.findall(r"^\s*from mlops_kit\.(\w+) import", text, re.MULTILINE))
        for listed in re.findall(r"^\s*from mlops_kit import (.+)$", text, re.MULTILINE):
            used |= {word.strip() for word in listed.split(",")}
        assert used <= allowed, (name, used - allowed)
        assert "worlds" not in used or name.endswith("/source.py"), name


def test_the_kit_is_asked_for_in_a_range(made: Made) -> None:
    """The one it was generated by, up to the next that may break it."""
    text = (made() / "pyproject.toml").read_text("utf-8")
    assert re.search(r'"mlops-kit\[data,drift,serve\]>=\d+\.\d+,<\d+\.\d+"', text)


@pytest.mark.whole_way
@pytest.mark.usefixtures("only_mypy")
def test_the_types_hold(made: Made) -> None:
    """mypy, strict, as the project configures it."""
    folder = made(**ANSWERS[1])
    done = run(folder, "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.whole_way
def test_a_regression_passes_its_own_tests(made: Made, warm_python: list[str]) -> None:
    """The other task, with a tracking server that isn't there: dev needs none."""
    folder = made(**ANSWERS[1])
    tests = ("pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider")
    done = run(folder, *tests, python=warm_python, APP_ENVIRONMENT="production")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert re.search(r"\d{2} passed", done.stdout)


CONTRACT = """
CONTRACT = Contract(
    (
        Column("sold_at", "datetime"),
        Column("shop", "str", allowed=("north", "south")),
        Column("price", "float", minimum=0, unit="EUR"),
        Column("guests", "int", minimum=0, nullable=True),
        Column("returned", "bool"),
    ),
    name="sales",
    min_rows=500,
)
"""
FEATURES = '''"""What is known of a sale."""

import pandas as pd

FEATURES: tuple[str, ...] = ("price", "guests", "store", "late")
DIRECTIONS: dict[str, int] = {"price": 1}


def store(shop: pd.Series) -> pd.Series:
    """Which shop."""
    return shop.astype("category")


def late(sold_at: pd.Series) -> pd.Series:
    """Whether it was evening."""
    return sold_at.dt.hour >= 18
'''
SALES = """
import sys
import numpy as np
import pandas as pd

chance = np.random.default_rng(1)
count = 6000
times = pd.date_range("2024-01-01", periods=count, freq="17min")
price = chance.gamma(2, 20, count).round(2)
guests = pd.Series(chance.integers(1, 5, count)).astype("float").mask(chance.random(count) < 0.1)
odds = -2.5 + price / 30
pd.DataFrame({
    "sold_at": times, "shop": chance.choice(["north", "south"], count), "price": price,
    "guests": guests, "returned": chance.random(count) < 1 / (1 + np.exp(-odds)), "till": 7,
}).to_csv(sys.argv[1], index=False)
"""


@pytest.fixture
def sales(tmp_path: Path, warm_python: list[str]) -> Path:
    """A project into which another table was put, in the three places that its README names."""
    folder = tmp_path / "sales"
    create("service", folder, answers={"project_name": "Returned goods"}, git=False)
    package = folder / "src" / "returned_goods"
    subprocess.run([*warm_python, "-c", SALES, str(folder / "sales.csv")], check=True)
    conf = folder / "conf" / "base.yml"
    text = conf.read_text("utf-8").replace("source: sample ", "source: sales.csv ")
    conf.write_text(re.sub(r"until: \S+", "until: 2024-03-11", text).replace("56 ", "90 "))
    contract = (package / "contract.py").read_text("utf-8")
    contract = re.sub(r"\nCONTRACT = .*?\n\)\n", CONTRACT, contract, flags=re.DOTALL)
    changes: dict[str, Any] = {
        'LABEL = "cancelled"': 'LABEL = "returned"',
        'TIME = "pickup_time"': 'TIME = "sold_at"',
        'KNOWN: str | None = "label_time"': "KNOWN: str | None = None",
        '("zone",)': '("shop",)',
    }
    for old, new in changes.items():
        assert old in contract
        contract = contract.replace(old, new)
    (package / "contract.py").write_text(contract)
    (package / "features.py").write_text(FEATURES)
    return folder


@pytest.mark.whole_way
def test_another_table_is_put_in_at_three_places(sales: Path, warm_python: list[str]) -> None:
    """Everything else follows: the project's own tests pass, for the new table."""
    tests = ("pytest", "-q", "--tb=short", "-p", "no:cacheprovider")
    done = run(sales, *tests, python=warm_python)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    spoilt = (sales / "sales.csv").read_text("utf-8").replace(",north,", ",moon,", 3)
    (sales / "sales.csv").write_text(spoilt)
    done = run(sales, "returned_goods", "data", python=warm_python)
    assert done.returncode == 2
    assert "shop" in done.stderr and "moon" in done.stderr and "Traceback" not in done.stderr


def test_a_changed_model_is_noticed_by_the_projects_tests(
    tmp_path: Path, warm_python: list[str]
) -> None:
    """The tests aren't for show: a feature that looks at other rows makes them fail."""
    folder = tmp_path / "broken"
    create("service", folder, git=False)
    file = folder / "src" / "ride_cancellations" / "features.py"
    text = file.read_text("utf-8")
    assert "pickup_time.dt.hour" in text
    file.write_text(text.replace("pickup_time.dt.hour", "pickup_time.dt.hour.rank()"))
    tests = ("pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "tests/unit/test_features.py")
    done = run(folder, *tests, python=warm_python)
    assert done.returncode == 1
    assert "test_a_row_knows_only_itself" in done.stdout
