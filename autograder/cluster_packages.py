"""What is installed: the same code and the same packages give the same marks."""

import hashlib
import importlib.util
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

from autograder.examiner_source import imported_modules

__all__ = ["code_digest", "difference", "lab_packages"]

# Every submission meets them, whatever its lab imports.
_ALWAYS = ("IPython", "numpy", "pandas")
_PYTHON = "Python"


@cache
def code_digest() -> str:
    """Give a digest of the source of this distribution's packages, as they are installed here."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, _folder("mlops_kit")):
        for path in sorted(folder.rglob("*.py")) if folder else ():
            digest.update(path.relative_to(folder or path).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found is not None and found.origin else None


def lab_packages(source: NotebookNode) -> dict[str, str]:
    """Give the versions of Python and of what a teacher's notebook imports.

    What isn't installed here isn't in it, nor are modules that the lab itself ships.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> versions = lab_packages(new_notebook(cells=[new_code_cell("import yaml, os, nowhere")]))
    >>> sorted(versions)
    ['IPython', 'Python', 'numpy', 'pandas', 'yaml']
    """
    names = set(_ALWAYS)
    for cell in source.cells:
        if cell.cell_type == "code":
            names |= {name.partition(".")[0] for name in imported_modules(cell.source)}
    return _versions(names)


def difference(wanted: Mapping[str, str]) -> str:
    """Say in a sentence's part what is other here than was wanted; empty if nothing is.

    Examples
    --------
    >>> difference({"nowhere": "1.2"})
    'nowhere 1.2 is needed and none is there'
    """
    here = _versions(set(wanted))
    return "; ".join(
        f"{name} {version} is needed and {here.get(name, 'none')} is there"
        for name, version in sorted(wanted.items())
        if here.get(name) != version
    )


def _versions(names: set[str]) -> dict[str, str]:
    found = {_PYTHON: ".".join(platform.python_version_tuple()[:2])}
    for name in sorted(names - set(sys.stdlib_module_names)):
        for distribution in _distributions().get(name, ())[:1]:
            found[name] = metadata.version(distribution)
    return found


@cache
def _distributions() -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in metadata.packages_distributions().items()}
