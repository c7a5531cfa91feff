"""What a lab's own solution loads while it runs: imports and caches that rooms needn't repeat.

The import lines of a notebook say little: libraries load much of themselves at the first use. So
the teacher's notebook is run once, in rooms like everybody's, and what it then had in memory is
imported ahead for the class.
"""

import base64
import hashlib
import json
import os
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.atomic import write_text
from autograder.engine import Execution

__all__ = ["Findings", "key_of", "recall", "remember", "scout"]

_VERSION = 2
_MOST_MODULES = 20_000
_MOST_BYTES = 8 << 20
# Of the caches below a home folder, those whose content is the same whoever fills them.
_CACHES = ("fontconfig", "matplotlib", "mlops-kit")
_MODULES = """\
def _loaded():
    import os, sys
    own = tuple(f"{place}/" for place in (os.getcwd(), os.path.expanduser("~")) if place != "/")
    found = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if type(name) is str and getattr(spec, "name", None) == name:
            origin = getattr(spec, "origin", None) or ""
            if not origin.startswith(own):
                found.append(name)
    return found
"""
_IN_THE_STUDENTS_ROOM = f"""\
{_MODULES}
def _cached():
    import base64, pathlib, zlib
    home, found, size = pathlib.Path.home() / ".cache", {{}}, 0
    for name in {_CACHES!r}:
        for path in sorted((home / name).rglob("*")):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                size += len(data)
                if size <= {_MOST_BYTES}:
                    text = base64.b64encode(zlib.compress(data)).decode()
                    found[path.relative_to(home).as_posix()] = text
    return found
import json
print(json.dumps({{"modules": _loaded(), "cache": _cached()}}))
"""
_IN_THE_EXAMINERS_ROOM = f"{_MODULES}\nimport json\nprint(json.dumps(_loaded()))\n"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a reference run had loaded, in the order of loading, and the caches it had filled."""

    modules: tuple[str, ...] = ()
    cache: tuple[tuple[str, bytes], ...] = ()

    def unpack(self, folder: Path) -> None:
        """Write the cached files below a folder."""
        for name, data in self.cache:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def without(self, left_out: Iterable[str]) -> "Findings":
        """Give the same without modules that a process that forks can't have."""
        absent = set(left_out)
        return Findings(tuple(name for name in self.modules if name not in absent), self.cache)


def scout(
    reference: NotebookNode, run: Callable[[NotebookNode], Execution], *, examined: bool
) -> Findings:
    """Run a teacher's notebook and see what it loads.

    Parameters
    ----------
    reference : NotebookNode
        The notebook with its solutions.
    run : callable
        Runs a notebook in rooms.
    examined : bool
        Whether tests run in a room of their own, which is then looked at too.

    Returns
    -------
    Findings
        Nothing, if the room ended before it could be asked.
    """
    notebook: NotebookNode = nbformat.from_dict(reference)  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(_IN_THE_STUDENTS_ROOM))  # type: ignore[no-untyped-call]
    if examined:
        notebook.cells.append(_test_cell(_IN_THE_EXAMINERS_ROOM))
    told = [_told(run_) for run_ in run(notebook).cells[-2 if examined else -1 :]]
    student = told[0] if isinstance(told[0], dict) else {}
    examiner = told[1] if examined and isinstance(told[1], list) else []
    names = [*_list(student.get("modules")), *examiner]
    usable = dict.fromkeys(name for name in names if _is_wanted(name))
    return Findings(tuple(usable)[:_MOST_MODULES], _cache(student.get("cache")))


def _test_cell(text: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(text)  # type: ignore[no-untyped-call]
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": "scout",
        "grade": True,
        "points": 0,
        "solution": False,
        "locked": True,
        "task": False,
    }
    return cell


def _told(run: Any) -> Any:
    for output in run.outputs:
        if output.get("name") == "stdout":
            with suppress(ValueError, RecursionError):
                return json.loads(output["text"])
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_wanted(name: Any) -> bool:
    usual = type(name) is str and all(part.isidentifier() for part in name.split("."))
    return usual and not name.startswith(("__", "autograder"))


def _cache(value: Any) -> tuple[tuple[str, bytes], ...]:
    found = []
    for name, text in (value if isinstance(value, dict) else {}).items():
        parts = Path(name).parts
        if parts and parts[0] in _CACHES and ".." not in parts:
            with suppress(ValueError, zlib.error):
                packed = base64.b64decode(text)
                found.append((str(name), zlib.decompressobj().decompress(packed, _MOST_BYTES)))
    return tuple(found)


def key_of(reference: NotebookNode, files: Path | None, *, room: str) -> str:
    """Give a name to what a reference run depends on: the notebook, its files, this Python."""
    cells = [(cell.cell_type, cell.source) for cell in reference.cells]
    shipped = sorted(
        (path.relative_to(folder).as_posix(), path.stat().st_size)
        for folder in ([] if files is None else [files])
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".ipynb"
    )
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    installed = [(place, os.stat(place).st_mtime_ns) for place in sorted(places)]  # noqa: PTH116
    own = sorted(
        (path.name, path.stat().st_mtime_ns) for path in Path(__file__).parent.glob("*.py")
    )
    everything = [_VERSION, sys.version, installed, own, room, cells, shipped]
    return hashlib.sha256(json.dumps(everything).encode("utf-8", "replace")).hexdigest()[:32]


def _place(key: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mlops-kit" / "warm" / f"{key}.json"


def remember(key: str, findings: Findings) -> None:
    """Keep what was found for the next time; where that can't be written, go without."""
    cache = {name: base64.b64encode(zlib.compress(data)).decode() for name, data in findings.cache}
    with suppress(OSError, RuntimeError):
        place = _place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps({"modules": findings.modules, "cache": cache}))


def recall(key: str) -> Findings | None:
    """Give what was found before, if it was."""
    try:
        kept = json.loads(_place(key).read_text(encoding="utf-8"))
        names = [name for name in kept["modules"] if _is_wanted(name)]
        return Findings(tuple(names), _cache(kept["cache"]))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None
