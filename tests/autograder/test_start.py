"""A student begins: the lab is found, unpacked and never written over."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import handout as handout_module
from autograder.archive import zip_bytes
from autograder.errors import LabError, SubmissionError
from autograder.labs import find_lab, personal_parameters
from autograder.notebook import read_notebook
from autograder.release import build_course, is_release
from autograder.start import start_lab


def snapshot(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def course(small_labs: Path, tmp_path: Path) -> Path:
    build_course(small_labs, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student's folder, far from any labs/ and without packaged releases."""
    monkeypatch.setattr(handout_module, "packaged", lambda: Path("none"))
    return tmp_path_factory.mktemp("desk")


def test_a_lab_is_begun_from_a_labs_folder_above(
    small_labs: Path, tmp_path: Path, secrets: tuple[str, ...]
) -> None:
    """The folder holds the release, the README, the files, and an untouched copy."""
    here = tmp_path / "mine" / "deep"
    here.mkdir(parents=True)
    started = start_lab("05", here=here)
    assert started.notebook == here / "05_sums" / "05_sums.ipynb"
    made = snapshot(here / "05_sums")
    names = ["05_sums.ipynb", "README.md", "numbers.txt"]
    kept = [".autograder/05_sums.ipynb", ".autograder/lab.toml", ".autograder/README.md"]
    assert sorted(made) == sorted([*names, *kept, ".autograder/numbers.txt"])
    assert is_release(read_notebook(started.notebook))
    assert not [word for word in secrets if word.encode() in b"".join(made.values())]
    assert "--student" in started.notes[0]


def zipped(folder: Path, name: str) -> Callable[[Path], Path]:
    files = {f"{name}{path}": data for path, data in snapshot(folder).items()}

    def make(target: Path) -> Path:
        target.write_bytes(zip_bytes(files))
        return target

    return make


@pytest.mark.parametrize(
    "place", ["course", "course/release", "course/release/05_sums", "labs", "labs/05_sums", ".",
              "renamed", "zip", "flat-zip", "course-zip"],
)  # fmt: skip
def test_a_lab_is_begun_from_wherever_it_is_named(
    small_labs: Path, course: Path, desk: Path, tmp_path: Path, place: str
) -> None:
    """A course, its release, one lab's folder under any name, a folder of labs, or a zip."""
    release = course / "release" / "05_sums"
    shutil.copytree(release, tmp_path / "renamed" / "05_sums (1)")
    zips = {"zip": (release, "05_sums/"), "flat-zip": (release, ""), "course-zip": (course, "c/")}
    origin = zipped(*zips[place])(tmp_path / "lab.zip") if place in zips else tmp_path / place
    started = start_lab("sums", here=desk, origin=str(origin))
    assert started.notebook.relative_to(desk).as_posix() == "05_sums/05_sums.ipynb"
    assert started.notebook.read_bytes() == (release / "05_sums.ipynb").read_bytes()
    assert (desk / "05_sums" / "numbers.txt").is_file()


def test_the_teachers_notebook_is_never_handed_out(course: Path, desk: Path) -> None:
    """Naming source/ by mistake gives an error, not the solutions."""
    with pytest.raises(LabError, match="isn't a release"):
        start_lab("05", here=desk, origin=str(course / "source"))
    assert list(desk.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "origin", "said"),
    [
        ("06", "course", "no lab '06'.*05_sums"),
        ("05", "nowhere", "nothing is there"),
        ("05", "course/nbgrader_config.py", "isn't a usable zip"),
        ("05", "empty", "no lab '05'"),
    ],
)
def test_a_wrong_place_or_name_is_said(
    course: Path, desk: Path, tmp_path: Path, name: str, origin: str, said: str
) -> None:
    """The message says what was looked for, where, and what there is."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match=said):
        start_lab(name, here=desk, origin=str(tmp_path / origin))
    assert list(desk.iterdir()) == []


def test_without_any_lab_the_way_out_is_said(desk: Path) -> None:
    """A wheel without releases and a folder without labs: --from is named."""
    with pytest.raises(LabError, match="--from"):
        start_lab("05", here=desk)


def test_work_that_is_there_is_kept(course: Path, desk: Path) -> None:
    """Only --force begins anew, and then the old work is in a backup, each time."""
    start_lab("05", here=desk, origin=str(course))
    notebook = desk / "05_sums" / "05_sums.ipynb"
    notebook.write_text("my work")
    with pytest.raises(SubmissionError, match="--force"):
        start_lab("05", here=desk, origin=str(course))
    assert notebook.read_text() == "my work"
    for number in (1, 2):
        started = start_lab("05", here=desk, origin=str(course), force=True)
        assert started.backup == desk / f"05_sums.backup-{number}"
        assert is_release(read_notebook(notebook))
    assert (desk / "05_sums.backup-1" / "05_sums.ipynb").read_text() == "my work"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_start_leaves_nothing_half(
    course: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, force: bool
) -> None:
    """The folder is what it was before: absent, or the student's work."""
    if force:
        start_lab("05", here=desk, origin=str(course))
        (desk / "05_sums" / "05_sums.ipynb").write_text("my work")
    before, left = snapshot(desk), [3]

    def failing(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise stop

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(type(stop)):
        start_lab("05", here=desk, origin=str(course), force=force)
    assert snapshot(desk) == before
    assert not left[0]


def test_a_failed_swap_brings_the_students_work_back(
    course: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even after the backup was made, a failure leaves the work where it was."""
    start_lab("05", here=desk, origin=str(course))
    (desk / "05_sums" / "05_sums.ipynb").write_text("my work")
    before, rename, left = snapshot(desk), Path.rename, [2]

    def failing(self: Path, target: Path) -> Path:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        start_lab("05", here=desk, origin=str(course), force=True)
    assert snapshot(desk) == before


def test_a_student_gets_their_own_parameters(small_labs: Path, course: Path, desk: Path) -> None:
    """The id is written down, the seed is theirs, and the copy kept for checking isn't changed."""
    start_lab("05", here=desk, origin=str(course), student="jane")
    notebook = read_notebook(desk / "05_sums" / "05_sums.ipynb")
    seed = personal_parameters(find_lab(small_labs, "05"), "jane")["seed"]
    assert notebook.cells[1].source.startswith(f"SEED = {seed} ")
    assert notebook.metadata.autograder.student == "jane"
    assert is_release(notebook)
    kept = read_notebook(desk / "05_sums" / ".autograder" / "05_sums.ipynb")
    assert kept.cells[1].source.startswith("SEED = 5 ")


def test_a_bad_id_is_refused_before_anything_is_made(course: Path, desk: Path) -> None:
    """An id with a path in it never reaches a notebook."""
    with pytest.raises(SubmissionError, match="student id"):
        start_lab("05", here=desk, origin=str(course), student="../jane")
    assert list(desk.iterdir()) == []
