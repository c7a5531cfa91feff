"""What is published: the labs' releases, and nothing that only a teacher may see."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode

from autograder.labs import find_labs, source_notebook
from autograder.notebook import cell_kind, notebook_bytes, read_notebook
from autograder.release import answer_text, release_notebook
from mlops_kit.new import create

ROOT = Path(__file__).parents[2]
# Shorter lines are in any program; a release, which is no program of ours, may hold none.
SHORTEST = {".py": 32, ".ipynb": 8, "other": 16}

BUILD = """\
import sys
from hatchling import build
build.build_sdist(sys.argv[1])
build.build_wheel(sys.argv[1])
"""


def build(root: Path, target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, the wheel, the unpacked sdist and the wheel made from that."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sdist:
        sdist.extractall(folder / "sdist", filter="data")
    (folder / "again").mkdir()
    build(next((folder / "sdist").iterdir()), folder / "again")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "wheel")
    return folder


def lines_of(text: str) -> set[str]:
    return {line.strip() for line in text.split("\n")} - {""}


def notebook_lines(notebook: NotebookNode) -> set[str]:
    return set().union(*(lines_of(cell.source) for cell in notebook.cells))


PACKAGES = ("autograder", "mlops_kit")


def teachers_lines() -> Iterator[str]:
    """Every line of a solution, hidden test or worked example that no release shows."""
    secret: set[str] = set()
    shown: set[str] = set()
    for lab in find_labs(ROOT / "labs"):
        source = source_notebook(lab)
        shown |= notebook_lines(release_notebook(source))
        for cell in source.cells:
            if cell_kind(cell) in ("answer", "manual", "test", "task"):
                secret |= lines_of(answer_text(cell))
        for path in [*lab.folder.glob("wrong/*.py"), *lab.folder.glob("right/*.py")]:
            secret |= lines_of(path.read_text("utf-8"))
    yield from sorted(secret - shown)


def published(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Each file with its lines that are long enough to tell."""
    for path in folder.rglob("*"):
        if path.is_file():
            lines = (
                notebook_lines(read_notebook(path))
                if path.suffix == ".ipynb"
                else lines_of(path.read_text("utf-8", "replace"))
            )
            shortest = SHORTEST.get(path.suffix, SHORTEST["other"])
            yield path, {line for line in lines if len(line) >= shortest}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_no_line_of_a_teachers_is_published(built: Path, kind: str) -> None:
    """Not one line of a solution, a hidden test or a worked example is in any file."""
    secrets = set(teachers_lines())
    assert len(secrets) > 50
    # The packages' and templates' own files are public, and `return float(x.max())` is anybody's.
    ours = {path.read_bytes() for part in PACKAGES for path in (ROOT / part).rglob("*.py")}
    ours |= {path.read_bytes() for path in (ROOT / "templates").rglob("*") if path.is_file()}
    leaks = {
        path.name: found
        for path, lines in published(built / kind)
        if path.read_bytes() not in ours and (found := lines & secrets)
    }
    assert leaks == {}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_neither_the_labs_nor_the_tests_are_published(built: Path, kind: str) -> None:
    """Their folders aren't even there."""
    inside = built / kind if kind == "wheel" else next((built / kind).iterdir())
    tops = {path.name for path in inside.iterdir()}
    assert {"mlops_kit", "autograder"} <= tops
    assert tops.isdisjoint({"labs", "tests", "book"})


def test_each_labs_release_is_in_the_wheel(built: Path) -> None:
    """Byte for byte what `autograder start` makes from the labs themselves."""
    labs = find_labs(ROOT / "labs")
    assert labs
    for lab in labs:
        packed = built / "wheel" / "autograder" / "releases" / lab.name / f"{lab.name}.ipynb"
        assert packed.read_bytes() == notebook_bytes(release_notebook(source_notebook(lab)))


def test_each_template_is_in_the_wheel(built: Path) -> None:
    """Every file, those whose names begin with a dot too, also by way of the sdist."""
    sources = {
        path.relative_to(ROOT / "templates").as_posix(): path.read_bytes()
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert "service/copier.yml" in sources
    for wheel in (next(built.glob("*.whl")), next((built / "again").glob("*.whl"))):
        with zipfile.ZipFile(wheel) as file:
            top = "mlops_kit/templates/"
            packed = {n.removeprefix(top): file.read(n) for n in file.namelist() if top in n}
        assert packed == sources


def contents(wheel: Path) -> dict[str, bytes]:
    """The wheel's files, but for their list, whose order is that of the files' finding."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist() if not name.endswith("/RECORD")}


def test_a_wheel_made_from_the_sdist_is_the_same(built: Path) -> None:
    """An installer that builds for itself gets the releases too."""
    first, second = (contents(next(folder.glob("*.whl"))) for folder in (built, built / "again"))
    assert first == second
    assert any(name.startswith("autograder/releases/") for name in first)


def test_a_student_begins_from_the_installed_wheel_alone(built: Path, tmp_path: Path) -> None:
    """No labs/ folder, no checkout on the path: `autograder start` still finds the lab."""
    script = (
        f"import sys; sys.path.insert(0, {str(built / 'wheel')!r}); sys.argv[0] = 'autograder'; "
        "import autograder.cli as c; print(c.__file__); c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, "start", "05"], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(built / "wheel"))
    notebook = tmp_path / "05_track" / "05_track.ipynb"
    released = built / "wheel" / "autograder" / "releases" / "05_track" / "05_track.ipynb"
    assert notebook.read_bytes() == released.read_bytes()


def test_a_project_is_made_from_the_installed_wheel_alone(built: Path, tmp_path: Path) -> None:
    """No checkout on the path: byte for byte the project that the repository's templates give."""
    script = (
        f"import sys; sys.path.insert(0, {str(built / 'wheel')!r}); sys.argv[0] = 'mlops-kit'; "
        "import mlops_kit.cli as c; print(c.__file__); c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, "new", "service", "installed", "--defaults"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(built / "wheel"))
    create("service", tmp_path / "repository", root=ROOT / "templates", git=False)
    installed, repository = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file() and ".git" not in path.relative_to(tmp_path / name).parts
        }
        for name in ("installed", "repository")
    )
    assert installed == repository
    assert Path("pyproject.toml") in installed
