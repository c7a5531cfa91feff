"""What this machine offers for checking and grading, what is missing, and how to get it."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course

__all__ = ["Finding", "Layer", "confinement", "examine"]

MIN_FREE_GB = 2.0
MIN_OPEN_FILES = 256
_GB = 1e9
# What each extra's main packages are called when imported.
_NEEDED = {
    "labs": ("nbformat", "jupytext", "nbclient", "ipykernel", "mlflow", "sklearn", "matplotlib"),
    "autograder": ("nbgrader", "nbconvert", "jinja2", "sqlalchemy", "psutil"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do where it isn't fine."""

    what: str
    fine: bool
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of what confines students' code; ``advice`` says how to get it."""

    name: str
    works: bool
    stops: str
    found: str
    advice: str


def examine(folder: Path) -> list[Finding]:
    """Look at this Python, the installed packages, the disk and the course in ``folder``."""
    return [
        _python(),
        *(_extra(name, modules) for name, modules in _NEEDED.items()),
        _kernel(),
        _disk(folder),
        *_course(folder),
        _limits(),
        _isolation(),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = _supported_python()
    fine = wanted is None or wanted[0] <= sys.version_info[:2] < wanted[1]
    advice = "" if fine else "Use one of the versions that mlops-kit supports: 3.11 to 3.13."
    return Finding("Python", fine, f"{version} on {platform.system()} {platform.machine()}", advice)


def _supported_python() -> tuple[tuple[int, int], tuple[int, int]] | None:
    try:
        text = importlib.metadata.metadata("mlops-kit")["Requires-Python"]
    except importlib.metadata.PackageNotFoundError:
        return None
    numbers = [(int(a), int(b)) for a, b in re.findall(r"(\d+)\.(\d+)", str(text))]
    return (min(numbers), max(numbers)) if len(numbers) == 2 else None


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    found = f"without {', '.join(missing)}" if missing else "complete"
    advice = f"pip install 'mlops-kit[{name}]'" if missing else ""
    return Finding(f"packages for {name}", not missing, found, advice)


def _kernel() -> Finding:
    """Look for the kernel of this very Python, the only one that notebooks are run with."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return Finding("kernel", False, "none", "pip install 'mlops-kit[labs]'")
    specs = KernelSpecManager()
    specs.kernel_dirs = []
    try:
        spec = specs.get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("kernel", False, "none", "pip install 'mlops-kit[labs]'")
    return Finding("kernel", True, f"{spec.display_name}, {sys.executable}")


def _disk(folder: Path) -> Finding:
    there = next((p for p in (folder, *folder.resolve().parents) if p.exists()), Path())
    free = shutil.disk_usage(there).free / _GB
    fine = free >= MIN_FREE_GB
    advice = "" if fine else f"Grading a class wants about {MIN_FREE_GB:g} GB; free some space."
    return Finding("disk", fine, f"{free:.1f} GB free", advice)


def _course(folder: Path) -> list[Finding]:
    from autograder.course import Course
    from autograder.errors import CourseError

    try:
        course = Course.open(folder)
    except CourseError as error:
        if (folder / "nbgrader_config.py").is_file():
            return [Finding("course", False, f"{folder} can't be used", str(error))]
        return [Finding("course", True, f"none in {folder}", "autograder build --course DIR")]
    labs = ", ".join(course.labs()) or "no labs"
    found, advice = f"{course.root}: {labs}", "" if course.labs() else "autograder build"
    writable = os.access(course.root, os.W_OK)
    if not writable:
        found, advice = f"{found}; it can't be written", "Make it writable for this user."
    return [Finding("course", writable and bool(course.labs()), found, advice), _gradebook(course)]


def _gradebook(course: "Course") -> Finding:
    from autograder.errors import CourseError

    if importlib.util.find_spec("nbgrader") is None:
        return Finding("gradebook", False, "not looked at", "pip install 'mlops-kit[autograder]'")
    from autograder.gradebook import gradebook_state

    try:
        return Finding("gradebook", True, gradebook_state(course))
    except CourseError as error:
        return Finding("gradebook", False, "can't be used", str(error))


def _limits() -> Finding:
    try:
        import resource
    except ImportError:
        return Finding("limits", True, "this system keeps none for each process")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fine = files == resource.RLIM_INFINITY or files >= MIN_OPEN_FILES
    advice = "" if fine else "Run 'ulimit -n 1024' before grading."
    shown = "any number of" if files == resource.RLIM_INFINITY else f"{files}"
    return Finding("limits", fine, f"{shown} open files for each process", advice)


def _isolation() -> Finding:
    """Say how far student code would be confined in grading."""
    from autograder.engines import is_weak
    from autograder.sandbox import best

    level = best()
    if not is_weak(level):
        return Finding("isolation", True, f"{level}: students' code is confined")
    return Finding(
        "isolation",
        False,
        f"{level}: students' code can read and write whatever you can",
        "See the layers below; or grade only what you trust, with --isolation process.",
    )


def confinement() -> list[Layer]:
    """Say of each layer that confines students' code whether it works here and what it stops."""
    from autograder.sandbox import layers

    found = []
    for title, works, state, advice in layers():
        name, _, stops = title.partition(": ")
        if name != "level":  # The sum of the others, which is among the findings.
            found.append(Layer(name, works, stops, state, advice))
    return found
