"""What the doctor finds on a machine, and what it says to do."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from autograder.doctor import Finding, Layer, confinement, examine


def found(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(folder)}


def test_this_machine_can_grade(tmp_path: Path) -> None:
    """The environment that runs the tests has all that is needed."""
    findings = found(tmp_path)
    for name in ("Python", "packages for labs", "packages for autograder"):
        assert findings[name].fine, findings[name]
        assert findings[name].advice == ""


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And which package it is."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nbgrader" else find(name)
    )
    finding = found(tmp_path)["packages for autograder"]
    assert not finding.fine
    assert finding.found == "without nbgrader"
    assert finding.advice == "pip install 'mlops-kit[autograder]'"


@pytest.mark.parametrize(("version", "fine"), [((3, 10, 9), False), ((3, 13, 0), True),
                                               ((3, 14, 0), False)])  # fmt: skip
def test_another_python_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], fine: bool
) -> None:
    """By what the package itself asks for."""
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: {
        "Requires-Python": "<3.14,>=3.11"})  # fmt: skip
    monkeypatch.setattr(sys, "version_info", version)
    finding = found(tmp_path)["Python"]
    assert finding.fine is fine
    assert ("3.11 to 3.13" in finding.advice) is not fine


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the folder that is asked about, even if it isn't there yet."""
    usage = namedtuple("usage", "total used free")
    asked: list[Any] = []

    def disk_usage(path: Any) -> Any:
        asked.append(path)
        return usage(9, 9, 1_000_000)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    finding = found(tmp_path / "not" / "yet")["disk"]
    assert not finding.fine
    assert finding.found == "0.0 GB free"
    assert "free some space" in finding.advice
    assert asked == [tmp_path]


def test_a_course_is_described(small_course: Any, tmp_path: Path) -> None:
    """Its labs, or how to make one."""
    assert "05_sums" in found(small_course.root)["course"].found
    nothing = found(tmp_path)["course"]
    assert nothing.fine
    assert "autograder build" in nothing.advice
    shutil.rmtree(small_course.root / "source" / "05_sums")
    assert not found(small_course.root)["course"].fine


def test_a_course_that_cannot_be_understood_is_said(tmp_path: Path) -> None:
    """It isn't taken for none at all: grading would stop at the same line."""
    (tmp_path / "nbgrader_config.py").write_text("c.CourseDirectory.root = f()\n")
    [course] = [finding for finding in examine(tmp_path) if finding.what == "course"]
    assert not course.fine
    assert "line 1" in course.advice


def test_a_course_that_cannot_be_written_is_said(
    small_course: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a class has been run for nothing."""
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != small_course.root and access(path, mode)
    )
    finding = found(small_course.root)["course"]
    assert not finding.fine
    assert "writable" in finding.advice


def test_the_gradebook_is_looked_at_and_never_made(small_course: Any) -> None:
    """A broken one is said with what to do; looking is not writing."""
    path = small_course.root / "gradebook.db"
    assert found(small_course.root)["gradebook"].fine
    assert not path.exists()
    path.write_bytes(b"no gradebook " * 200)
    finding = found(small_course.root)["gradebook"]
    assert not finding.fine
    assert "backup" in finding.advice
    assert path.read_bytes() == b"no gradebook " * 200


def test_the_kernel_is_this_pythons_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another python3 that Jupyter knows of doesn't count."""
    assert sys.executable in found(tmp_path)["kernel"].found
    monkeypatch.setattr("jupyter_client.kernelspec.NATIVE_KERNEL_NAME", "other")
    finding = found(tmp_path)["kernel"]
    assert not finding.fine
    assert "mlops-kit[labs]" in finding.advice


def test_too_few_open_files_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many kernels at once need more than some systems give."""
    resource = pytest.importorskip("resource")
    assert found(tmp_path)["limits"].fine
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    finding = found(tmp_path)["limits"]
    assert (finding.fine, finding.found) == (False, "64 open files for each process")
    assert "ulimit" in finding.advice


def test_each_layer_says_what_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was found and how to get it; how far all of them go is a finding of its own."""
    known = (
        ("level: what grading uses", True, "full", ""),
        ("walls: the wind: and rain", False, "none", "Build some."),
    )
    monkeypatch.setattr("autograder.sandbox.layers", lambda: known)
    assert confinement() == [
        Layer("walls", works=False, stops="the wind: and rain", found="none", advice="Build some.")
    ]


def test_this_machines_layers_are_all_described() -> None:
    """Namespaces, Landlock, seccomp, limits, bubblewrap: what each stops, and how to get it."""
    layers = {layer.name.split(" ")[0]: layer for layer in confinement()}
    assert set(layers) == {"namespaces", "Landlock", "seccomp", "limits", "bubblewrap"}
    for layer in layers.values():
        assert layer.stops
        assert layer.found
        assert layer.works or layer.advice


@pytest.mark.parametrize(
    ("level", "fine", "said"),
    [("full", True, "confined"), ("landlock", True, "confined"), ("process", False, "can read")],
)
def test_the_isolation_is_said_honestly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, fine: bool, said: str
) -> None:
    """What keeps students' code in, and what doesn't."""
    monkeypatch.setattr("autograder.sandbox.best", lambda: level)
    finding = found(tmp_path)["isolation"]
    assert finding.fine is fine
    assert finding.found.startswith(level)
    assert said in finding.found
    assert ("--isolation process" in finding.advice) is not fine
