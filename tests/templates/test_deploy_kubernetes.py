"""The service template's Kubernetes manifests: valid for every environment, and tight."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from mlops_kit.new import create

Resource = dict[str, Any]
ENVIRONMENTS = ("dev", "staging", "production")
VERSIONS = ("1.30", "1.34")


@pytest.fixture(scope="module", params=["local", "server"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "project"
    create("service", folder, answers={"tracking": request.param}, git=False)
    return folder


def documents(file: Path) -> list[Resource]:
    return [entry for entry in yaml.safe_load_all(file.read_text()) if entry]


def merged(one: Any, other: Any) -> Any:
    """Merge as far as our patches go: mappings key by key, anything else is replaced."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}
    return other


def pod_specs(resource: Resource) -> Iterator[Resource]:
    """Give the pod's template, metadata and all, of whatever makes pods."""
    if resource["kind"] == "Deployment":
        yield resource["spec"]["template"]
    if resource["kind"] == "CronJob":
        yield resource["spec"]["jobTemplate"]["spec"]["template"]


def containers(resource: Resource) -> Iterator[Resource]:
    for pod in pod_specs(resource):
        yield from pod["spec"].get("initContainers", [])
        yield from pod["spec"]["containers"]


def built(overlay: Path) -> list[Resource]:
    """Build an overlay as Kustomize does: resources, patches, images, labels, namespace."""
    top = yaml.safe_load((overlay / "kustomization.yml").read_text())
    base = (overlay / top["resources"][0]).resolve()
    below = yaml.safe_load((base / "kustomization.yml").read_text())
    assert set(top) == {"apiVersion", "kind", "namespace", "resources", "patches", "images"}
    assert set(below) == {"apiVersion", "kind", "resources", "labels"}
    found = [entry for name in below["resources"] for entry in documents(base / name)]
    for patch in top["patches"]:
        for change in documents(overlay / patch["path"]):
            (target,) = [
                index
                for index, entry in enumerate(found)
                if (entry["kind"], entry["metadata"]["name"])
                == (change["kind"], change["metadata"]["name"])
            ]
            found[target] = merged(found[target], change)
    # What YAML's anchors share is shared no longer.
    found = json.loads(json.dumps(found))
    for resource in found:
        resource["metadata"]["namespace"] = top["namespace"]
        templates = [resource["spec"]["jobTemplate"]] if resource["kind"] == "CronJob" else []
        for place in (resource, *templates, *pod_specs(resource)):
            labels = place.setdefault("metadata", {}).setdefault("labels", {})
            labels.update(below["labels"][0]["pairs"])
        for container in containers(resource):
            (image,) = [entry for entry in top["images"] if entry["name"] == container["image"]]
            container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def resources(project: Path, environment: str) -> list[Resource]:
    return built(project / "deploy" / "kubernetes" / "overlays" / environment)


def one(found: list[Resource], kind: str) -> Resource:
    (only,) = [resource for resource in found if resource["kind"] == kind]
    return only


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_is_valid(project: Path, environment: str) -> None:
    """By Kubernetes' own schemas, of two versions, where an unknown field is an error."""
    found = resources(project, environment)
    kinds = {resource["kind"] for resource in found}
    assert kinds == {
        *("ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Deployment", "Service"),
        *("HorizontalPodAutoscaler", "PodDisruptionBudget", "CronJob", "NetworkPolicy"),
    }
    setup = project / "deploy" / "kubernetes" / "overlays" / environment / "namespace.yml"
    for version in VERSIONS:
        for resource in [*found, *documents(setup)]:
            kubernetes_validate.validate(resource, version, strict=True)


def test_a_misspelt_field_is_noticed(project: Path) -> None:
    """The validation is strict, in a container as well as at the top."""
    deployment = one(resources(project, "dev"), "Deployment")
    for path in ("spec", "spec.template.spec.containers.0.securityContext"):
        worse: Any = copy.deepcopy(deployment)
        place = worse
        for key in path.split("."):
            place = place[int(key) if key.isdigit() else key]
        place["readOnlyRootFileSystem"] = True
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(worse, VERSIONS[-1], strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl isn't on this machine")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_kustomize_builds_the_same(project: Path, environment: str) -> None:
    """Where kubectl is at hand, it is the judge of how overlays are built here."""
    overlay = project / "deploy" / "kubernetes" / "overlays" / environment
    command = ["kubectl", "kustomize", str(overlay)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def keyed(found: list[Resource]) -> dict[tuple[str, str], str]:
        return {
            (entry["kind"], entry["metadata"]["name"]): json.dumps(entry, sort_keys=True)
            for entry in found
        }

    assert keyed(list(yaml.safe_load_all(said))) == keyed(resources(project, environment))


def pod_problems(resource: Resource) -> list[str]:
    """Say what a resource's pods may do that they needn't."""
    problems: list[str] = []
    for pod in pod_specs(resource):
        spec, name = pod["spec"], resource["metadata"]["name"]
        context = spec.get("securityContext", {})
        wanted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        if any(context.get(key) != value for key, value in wanted.items()):
            problems.append(f"{name}: the pod's securityContext")
        if context.get("runAsUser", 0) < 1000 or context.get("runAsGroup", 0) < 1000:
            problems.append(f"{name}: the pod's user")
        if spec.get("automountServiceAccountToken") is not False:
            problems.append(f"{name}: has a token")
        if {"hostNetwork", "hostPID", "hostIPC"} & set(spec):
            problems.append(f"{name}: shares the node's namespaces")
        if any(set(volume) & {"hostPath"} for volume in spec["volumes"]):
            problems.append(f"{name}: mounts the node's disk")
        for container in containers(resource):
            confined = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            }
            if container.get("securityContext") != confined:
                problems.append(f"{name}: the container's securityContext")
            limits = container.get("resources", {})
            for kind in ("requests", "limits"):
                if set(limits.get(kind, {})) != {"cpu", "memory", "ephemeral-storage"}:
                    problems.append(f"{name}: {kind}")
            if not re.search(r":\d+\.\d+\.\d+$|@sha256:", container["image"]):
                problems.append(f"{name}: the image {container['image']}")
            for given in container.get("env", []):
                if "secretKeyRef" not in given.get("valueFrom", {}):
                    problems.append(f"{name}: {given['name']} stands in the manifest")
    return problems


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_pods_may_do_nothing_they_need_not(project: Path, environment: str) -> None:
    """No root, no capabilities, no token, nothing writable but two volumes; limits everywhere."""
    found = resources(project, environment)
    assert [problem for resource in found for problem in pod_problems(resource)] == []
    assert one(found, "ServiceAccount")["automountServiceAccountToken"] is False
    settings = one(found, "ConfigMap")["data"]
    assert not [key for key in settings if re.search(r"PASSWORD|SECRET|TOKEN|KEY", key)]


def _pod(resource: Resource) -> Resource:
    spec: Resource = next(pod_specs(resource))["spec"]
    return spec


@pytest.mark.parametrize(
    ("worsen", "problem"),
    [
        (lambda d: _pod(d).update(hostNetwork=True), "namespaces"),
        (lambda d: _pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "disk"),
        (lambda d: _pod(d)["securityContext"].update(runAsUser=0), "user"),
        (lambda d: _pod(d)["securityContext"].pop("seccompProfile"), "pod's securityContext"),
        (lambda d: _pod(d).pop("automountServiceAccountToken"), "token"),
        (
            lambda d: _pod(d)["containers"][0]["securityContext"].update(privileged=True),
            "container's securityContext",
        ),
        (lambda d: _pod(d)["containers"][0]["resources"]["limits"].pop("memory"), "limits"),
        (lambda d: _pod(d)["containers"][0].update(image="service:latest"), "image"),
        (
            lambda d: _pod(d)["containers"][0].update(env=[{"name": "A", "value": "secret"}]),
            "stands in the manifest",
        ),
    ],
)
def test_a_mightier_pod_is_noticed(
    project: Path, worsen: Callable[[Resource], object], problem: str
) -> None:
    """Each rule can be broken."""
    worse = copy.deepcopy(one(resources(project, "production"), "Deployment"))
    worsen(worse)
    assert any(problem in found for found in pod_problems(worse))


def commands(project: Path) -> set[str]:
    """Give the commands that the project has."""
    text = next(project.glob("src/*/cli.py")).read_text()
    return set(re.findall(r"@app\.command\(\)\ndef (\w+)", text))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_everything_that_is_named_is_there(project: Path, environment: str) -> None:
    """Selectors, ports, claims, accounts, settings, commands: each reference has its target."""
    found = resources(project, environment)
    deployment, pod = one(found, "Deployment"), _pod(one(found, "Deployment"))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    name = deployment["metadata"]["name"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        one(found, "Service")["spec"]["selector"],
        one(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    (port,) = one(found, "Service")["spec"]["ports"]
    (service,) = pod["containers"]
    assert port["targetPort"] == service["ports"][0]["name"]
    target = one(found, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", name)
    assert "replicas" not in deployment["spec"], "the autoscaler's number would be undone"
    claim, settings = one(found, "PersistentVolumeClaim"), one(found, "ConfigMap")
    known = commands(project)
    assert {"serve", "retrain", "monitor", "canary", "release"} <= known
    for resource in found:
        for spec in pod_specs(resource):
            assert (
                spec["spec"]["serviceAccountName"]
                == one(found, "ServiceAccount")["metadata"]["name"]
            )
            claims = [
                volume["persistentVolumeClaim"]["claimName"]
                for volume in spec["spec"]["volumes"]
                if "persistentVolumeClaim" in volume
            ]
            assert claims == [claim["metadata"]["name"]]
        for container in containers(resource):
            words = " ".join(container["args"])
            called = re.findall(rf"{name} (\w+)", words) if " " in words else [words]
            assert called
            assert set(called) <= known, words
            (given,) = container["envFrom"]
            assert given["configMapRef"]["name"] == settings["metadata"]["name"]
            volumes = {volume["name"] for volume in _pod(resource)["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert settings["data"]["APP_ENVIRONMENT"] == environment


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_service_survives_ordinary_days(project: Path, environment: str) -> None:
    """Probes ask what exists, a pod that goes finishes first, and production has two replicas."""
    found = resources(project, environment)
    (service,) = _pod(one(found, "Deployment"))["containers"]
    paths = {
        kind: service[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/health", "readiness": "/ready", "liveness": "/health"}
    assert _pod(one(found, "Deployment"))["terminationGracePeriodSeconds"] > 30 + 5
    scaler = one(found, "HorizontalPodAutoscaler")["spec"]
    assert scaler["minReplicas"] >= (2 if environment == "production" else 1)
    assert scaler["maxReplicas"] >= scaler["minReplicas"]
    for job in (resource for resource in found if resource["kind"] == "CronJob"):
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
        assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 7200


def test_one_node_or_many(project: Path) -> None:
    """SQLite stays on one node's disk, and pods with it; with a server they spread."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    found = resources(project, "production")
    pods = [_pod(resource) for resource in found if list(pod_specs(resource))]
    mode = one(found, "PersistentVolumeClaim")["spec"]["accessModes"]
    together = [bool(pod.get("affinity", {}).get("podAffinity")) for pod in pods]
    if answers["tracking"] == "local":
        assert (mode, all(together)) == (["ReadWriteOnce"], True)
    else:
        assert (mode, any(together)) == (["ReadWriteMany"], False)
        assert "MLFLOW_TRACKING_URI" in one(found, "ConfigMap")["data"]


@pytest.mark.parametrize(
    ("code", "asked", "wanted"), [(0, True, 0), (1, False, 1), (3, False, 0), (2, False, 2)]
)
def test_the_canarys_job_goes_on_only_when_told_to(
    project: Path, tmp_path: Path, code: int, asked: bool, wanted: int
) -> None:
    """Promote leads to the release, "not yet" is no failure, anything else is."""
    (job,) = [
        resource
        for resource in resources(project, "dev")
        if resource["metadata"]["name"].endswith("-canary")
    ]
    (container,) = containers(job)
    stand_in = tmp_path / "ride-cancellations"
    stand_in.write_text(
        f'#!/bin/sh\necho "$1" >> "{tmp_path}/called"\n[ "$1" = release ] && exit 0\nexit {code}\n'
    )
    stand_in.chmod(0o755)
    found = subprocess.run(
        [*container["command"], *container["args"]], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    called = (tmp_path / "called").read_text().split()
    assert (found.returncode, "release" in called) == (wanted, asked)


def test_ci_may_deploy_and_nothing_more(project: Path) -> None:
    """Its role covers each kind that is applied, no secrets, no roles, no wildcard."""
    kinds = {
        re.sub(r"ys$", "ies", f"{resource['kind'].lower()}s")
        for resource in resources(project, "staging")
    }
    for environment in ENVIRONMENTS:
        setup = documents(
            project / "deploy" / "kubernetes" / "overlays" / environment / "namespace.yml"
        )
        rules = one(setup, "Role")["rules"]
        allowed = {name for rule in rules for name in rule["resources"]}
        verbs = {verb for rule in rules for verb in rule["verbs"]}
        assert kinds <= allowed
        assert not allowed & {"secrets", "roles", "rolebindings", "*"}
        assert not verbs & {"delete", "deletecollection", "escalate", "bind", "impersonate", "*"}
        space = one(setup, "Namespace")["metadata"]
        assert space["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert space["name"] == resources(project, environment)[0]["metadata"]["namespace"]
