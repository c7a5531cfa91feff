"""Find what a lab hands out: in a folder, a zip, an address, a ``labs/`` folder, this package."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nbformat import NotebookNode

from autograder.archive import download, extract
from autograder.errors import LabError
from autograder.labs import find_lab, matching_name
from autograder.notebook import read_notebook
from autograder.release import is_release, write_release
from autograder.settings import Lab, load_lab

__all__ = [
    "Handout",
    "available",
    "copy_files",
    "handout",
    "kept_copy",
    "packaged",
    "read_handout",
]


@dataclass(frozen=True, slots=True)
class Handout:
    """A lab's release: the students' notebook, the settings, and the folder of both."""

    lab: Lab
    notebook: NotebookNode
    folder: Path


def packaged() -> Path:
    """Give the folder of the releases inside this installed package; it may be missing."""
    return Path(__file__).parent / "releases"


def kept_copy(folder: Path) -> Path:
    """Give the folder, in a student's, where ``start`` keeps what it handed out as it was."""
    return folder / ".autograder"


def _labs_folder(here: Path) -> Path | None:
    """Find a ``labs/`` folder in ``here`` or above."""
    for folder in (here, *here.parents):
        labs = folder / "labs"
        if labs.is_dir() and any(labs.glob("*/lab.toml")):
            return labs
    return None


def available(here: Path) -> tuple[str, ...]:
    """Name the labs that can be started in ``here`` without naming where they come from."""
    labs = _labs_folder(here)
    names = {path.parent.name for path in labs.glob("*/lab.toml")} if labs else set()
    names |= {path.parent.name for path in packaged().glob("*/lab.toml")}
    return tuple(sorted(names))


@contextmanager
def handout(name: str, *, origin: str | None, here: Path) -> Iterator[Handout]:
    """Find the release of a lab; its folder is only sure to exist within the block.

    Parameters
    ----------
    name : str
        The lab's name, number or word.
    origin : str or None
        A folder (of one lab, of labs or a course), a zip of such, or an http(s) address of a zip.
        Without it: a ``labs/`` folder in ``here`` or above, then this installed package.
    here : Path
        Where the student is.

    Raises
    ------
    LabError
        If it isn't found, or is no release.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-") as scratch:
        folder = (
            _from_origin(name, origin, Path(scratch))
            if origin
            else _from_here(name, here, Path(scratch))
        )
        yield read_handout(folder)


def _from_here(name: str, here: Path, scratch: Path) -> Path:
    names = list(available(here))
    if not names:
        raise LabError(
            f"there is no labs/ folder in {here} or above, and this installation holds no labs. "
            "Say where the lab is with --from (a folder, a zip or an address)."
        )
    full = matching_name(name, names, where="what is installed here")
    labs = _labs_folder(here)
    if labs is None or not (labs / full / "lab.toml").is_file():
        return packaged() / full
    return _built(find_lab(labs, full), scratch)


def _from_origin(name: str, origin: str, scratch: Path) -> Path:
    if origin.startswith(("http://", "https://")):
        archive = scratch / "download.zip"
        download(origin, archive)
        return _inside(name, extract(archive, scratch / "zip"), origin, scratch)
    path = Path(origin).expanduser()
    if path.is_dir():
        return _inside(name, path.resolve(), origin, scratch)
    if path.is_file():
        return _inside(name, extract(path, scratch / "zip"), origin, scratch)
    raise LabError(
        f"--from {origin}: nothing is there. Name a folder, a zip or an http(s) address."
    )


def _inside(name: str, root: Path, origin: str, scratch: Path) -> Path:
    """Find the lab's release in a folder: of the lab itself, of labs, of a course."""
    root = _unwrapped(root)
    if _notebooks(root):
        matching_name(name, [_only_notebook(root).stem], where=origin)
        return root
    if (root / "lab.py").is_file():
        matching_name(name, [root.name], where=origin)
        return _built(load_lab(root), scratch)
    if (root / "release").is_dir():
        root = root / "release"
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and _notebooks(path)]
    if folders:
        releases = {_only_notebook(path).stem: path for path in folders}
        return releases[matching_name(name, list(releases), where=origin)]
    return _built(find_lab(root / "labs" if (root / "labs").is_dir() else root, name), scratch)


def _unwrapped(root: Path) -> Path:
    """Go down through folders that hold nothing but one folder, as zips often do."""
    while len(inside := list(root.iterdir())) == 1 and inside[0].is_dir():
        if inside[0].name in ("release", "labs") or (inside[0] / "lab.toml").is_file():
            break
        root = inside[0]
    return root


def _built(lab: Lab, scratch: Path) -> Path:
    folder = scratch / lab.name
    folder.mkdir()
    write_release(lab, folder)
    return folder


def _notebooks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))


def _only_notebook(folder: Path) -> Path:
    notebooks = _notebooks(folder)
    usual = folder / f"{folder.name}.ipynb"
    if usual in notebooks:
        return usual
    if len(notebooks) != 1:
        names = ", ".join(path.name for path in notebooks) or "no notebook"
        raise LabError(f"{folder} has {names}; one notebook was wanted.")
    return notebooks[0]


def read_handout(folder: Path) -> Handout:
    """Read a release's folder.

    Raises
    ------
    LabError
        If it has no notebook, or one with solutions or hidden tests in it.
    """
    path = _only_notebook(folder)
    notebook = read_notebook(path)
    if not is_release(notebook):
        raise LabError(
            f"{path} isn't a release: it was edited, or is the teacher's notebook. "
            "Build the release with 'autograder build', and hand out the folder in release/."
        )
    if (folder / "lab.toml").is_file():
        lab = load_lab(folder)
    else:
        lab = Lab(name=path.stem, title=path.stem, folder=folder)
    return Handout(lab=replace(lab, name=path.stem), notebook=notebook, folder=folder)


def copy_files(source: Path, target: Path) -> None:
    """Copy a release's data files, without its notebook and settings."""
    for path in sorted(source.iterdir()):
        if path.name.startswith(".") or path.suffix == ".ipynb" or path.name == "lab.toml":
            continue
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
