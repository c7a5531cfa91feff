"""A project meets a newer template: what the user changed stays, and what collides is marked."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_kit import new_place, new_templates
from mlops_kit.cli import app
from mlops_kit.errors import MissingToolError, TemplateError
from mlops_kit.new import create
from mlops_kit.new_merge import project_files
from mlops_kit.new_templates import ANSWERS, ARCHIVE, find_template, unpack
from mlops_kit.new_update import Updated, check_update, update

QUESTIONS = """\
_subdirectory: template
_git: true
package:
  type: str
  default: shop
colour:
  type: str
  choices: [red, blue]
  default: red
kit_range: {type: str, default: "", when: false}
"""
LINES = "".join(f"line {number}\n" for number in range(1, 21))
OLD = {
    "README.md.jinja": "# {{ package }}\n\n" + LINES + "\nIt is {{ colour }}.\n",
    "pyproject.toml.jinja": 'dependencies = ["mlops-kit{{ kit_range }}"]\n',
    "src/{{ package }}/code.py": LINES,
    "src/{{ package }}/other.py.jinja": "NAME = '{{ package }}'\n" + LINES,
    "old.txt": "goes away\n",
    "notes.txt": "some notes\nthat change\n",
    "logo.png": b"\x89PNG\0\1\2\3",
    "{% if colour == 'red' %}red.txt{% endif %}": "only if red\n",
    ".hidden/settings.yml": "level: 1\n",
}
NEW = {
    **{name: content for name, content in OLD.items() if name != "old.txt"},
    "src/{{ package }}/code.py": LINES.replace("line 3\n", "line three\n"),
    "notes.txt": "some notes\nthat changed\n",
    "logo.png": b"\x89PNG\0\3\2\1",
    "brand_new.py": "ANSWER = 42\n",
    ".hidden/settings.yml": "level: 2\n",
}
IDENTITY = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip
Files = Mapping[str, str | bytes]


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git knows who commits, and nothing of this machine's settings."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)


def write_template(root: Path, files: Files, questions: str = QUESTIONS) -> Path:
    """Write a template called "shop" below a fresh ``root``."""
    folder = root / "shop"
    for name, content in files.items():
        path = folder / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "copier.yml").write_text(questions)
    return root


def git(project: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=True)
    return done.stdout


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "-m", "mine")


def snapshot(project: Path) -> dict[str, bytes]:
    """Every file but git's own."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_template(tmp_path_factory.mktemp("old"), OLD)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_template(tmp_path_factory.mktemp("new"), NEW)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, old: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("made") / "project"
        return create("shop", folder, root=old, version="0.1.0").folder


@pytest.fixture
def project(tmp_path: Path, made: Path) -> Path:
    """A project of version 0.1.0, committed."""
    return shutil.copytree(made, tmp_path / "project", symlinks=True)


def bring(project: Path, root: Path, **options: object) -> Updated:
    return update(project, root=root, version="0.2.0", **options)


def test_an_untouched_project_becomes_what_the_new_template_makes(
    project: Path, new: Path, tmp_path: Path
) -> None:
    """Updated or made anew: the same files with the same bytes."""
    done = bring(project, new)
    anew = create("shop", tmp_path / "anew", root=new, version="0.2.0").folder
    assert snapshot(project) == snapshot(anew)
    assert done.conflicts == ()
    assert done.added == ("brand_new.py",)
    assert done.deleted == ("old.txt",)
    assert 'mlops-kit>=0.2,<0.3"' in (project / "pyproject.toml").read_text()


def test_what_the_user_changed_stays(project: Path, new: Path) -> None:
    """Edits elsewhere in a file that the template changed, own files, and changed permissions."""
    code = project / "src" / "shop" / "code.py"
    code.write_text(code.read_text().replace("line 18\n", "mine\n"))
    (project / "src" / "shop" / "own.py").write_text("MINE = True\n")
    (project / "notes.txt").chmod(0o755)
    commit(project)
    done = bring(project, new)
    assert done.conflicts == ()
    text = code.read_text()
    assert "mine\n" in text
    assert "line three\n" in text
    assert (project / "src" / "shop" / "own.py").read_text() == "MINE = True\n"
    assert "changed" in (project / "notes.txt").read_text()
    assert os.access(project / "notes.txt", os.X_OK)


def test_the_same_lines_changed_twice_are_marked_and_listed(project: Path, new: Path) -> None:
    """Both versions stand between git's markers; the rest of the update is there too."""
    (project / "notes.txt").write_text("some notes\nof mine\n")
    commit(project)
    done = bring(project, new)
    assert [path for path, _ in done.conflicts] == ["notes.txt"]
    assert (project / "notes.txt").read_text() == (
        "some notes\n<<<<<<< HEAD\nof mine\n=======\nthat changed\n>>>>>>> mlops-kit-0.2.0\n"
    )
    assert (project / "brand_new.py").exists()
    assert unpack((project / ARCHIVE).read_bytes(), where="it")[1].version == "0.2.0"


def test_a_file_that_the_user_deleted_stays_deleted(project: Path, new: Path) -> None:
    """Whether the template changed it or not; it is named, and no conflict."""
    (project / "notes.txt").unlink()
    (project / "README.md").unlink()
    commit(project)
    done = bring(project, new)
    assert done.conflicts == ()
    assert done.kept_deleted == ("notes.txt",)
    assert not (project / "notes.txt").exists()
    assert not (project / "README.md").exists()


def test_a_file_that_the_template_deleted_stays_if_the_user_changed_it(
    project: Path, new: Path
) -> None:
    """It is the user's work: kept as it is, and listed."""
    (project / "old.txt").write_text("goes away\nnot so fast\n")
    commit(project)
    done = bring(project, new)
    assert [path for path, _ in done.conflicts] == ["old.txt"]
    assert (project / "old.txt").read_text() == "goes away\nnot so fast\n"


def test_a_binary_file_that_both_changed_is_the_users(project: Path, new: Path) -> None:
    """Nothing is written into it; the template's lies beside it."""
    (project / "logo.png").write_bytes(b"mine\0\xff\r\n")
    commit(project)
    done = bring(project, new)
    assert [path for path, _ in done.conflicts] == ["logo.png"]
    assert (project / "logo.png").read_bytes() == b"mine\0\xff\r\n"
    assert (project / "logo.png.from-template").read_bytes() == NEW["logo.png"]


def test_a_file_that_both_added_is_marked(project: Path, new: Path) -> None:
    """A file of the user's own isn't overwritten because the template has one like it now."""
    (project / "brand_new.py").write_text("ANSWER = 7\n")
    commit(project)
    done = bring(project, new)
    assert [path for path, _ in done.conflicts] == ["brand_new.py"]
    text = (project / "brand_new.py").read_text()
    assert "ANSWER = 7\n" in text
    assert "ANSWER = 42\n" in text


def test_a_file_that_the_user_renamed_is_followed(project: Path, new: Path) -> None:
    """The template's change arrives where the file is now."""
    git(project, "mv", "src/shop/code.py", "src/shop/core.py")
    commit(project)
    done = bring(project, new)
    assert done.conflicts == ()
    assert "line three\n" in (project / "src" / "shop" / "core.py").read_text()
    assert not (project / "src" / "shop" / "code.py").exists()


def test_an_answer_can_be_changed(project: Path, old: Path) -> None:
    """Files that the answer decides on come or go; the answer is remembered."""
    done = update(project, answers={"colour": "blue"}, root=old, version="0.1.0")
    assert done.deleted == ("red.txt",)
    assert "It is blue." in (project / "README.md").read_text()
    assert "colour: blue" in (project / ANSWERS).read_text()
    commit(project)
    assert check_update(project, root=old, version="0.1.0").why == ()


def test_a_package_can_be_renamed_with_the_users_work_in_it(project: Path, old: Path) -> None:
    """Another answer moves the folder: edits and files of the user's go along."""
    code = project / "src" / "shop" / "code.py"
    code.write_text(code.read_text() + "mine\n")
    (project / "src" / "shop" / "own.py").write_text("MINE = True\n")
    commit(project)
    done = update(project, answers={"package": "store"}, root=old, version="0.1.0")
    assert done.conflicts == ()
    assert (project / "src" / "store" / "code.py").read_text().endswith("mine\n")
    assert (project / "src" / "store" / "own.py").exists()
    assert "NAME = 'store'" in (project / "src" / "store" / "other.py").read_text()
    assert not (project / "src" / "shop").exists()


def test_a_file_that_both_moved_is_listed_in_both_places(project: Path, old: Path) -> None:
    """Nothing is lost, and a person decides which place is right."""
    git(project, "mv", "src/shop/code.py", "src/shop/core.py")
    commit(project)
    done = update(project, answers={"package": "store"}, root=old, version="0.1.0")
    assert [path for path, _ in done.conflicts] == ["src/store/code.py", "src/store/core.py"]
    assert (project / "src" / "store" / "core.py").read_text() == LINES


def test_an_answer_edited_in_the_file_counts(project: Path, old: Path) -> None:
    """What the project was generated with is known from the archive all the same."""
    answers = project / ANSWERS
    answers.write_text(answers.read_text().replace("colour: red", "colour: blue"))
    commit(project)
    assert check_update(project, root=old, version="0.1.0").why == ("other answers: colour",)
    update(project, root=old, version="0.1.0")
    assert "It is blue." in (project / "README.md").read_text()


def test_a_new_question_takes_its_default(project: Path, tmp_path: Path) -> None:
    """A question that the newer template adds needs no answer."""
    root = write_template(
        tmp_path / "asks",
        {**OLD, "size.txt.jinja": "{{ size }}\n"},
        QUESTIONS + "size: {type: str, default: small}\n",
    )
    done = bring(project, root)
    assert done.conflicts == ()
    assert (project / "size.txt").read_text() == "small\n"
    assert "size: small" in (project / ANSWERS).read_text()


def test_questions_and_choices_may_get_other_names(project: Path, tmp_path: Path) -> None:
    """A template says what became of them, and the old answer goes on."""
    questions = QUESTIONS.replace("colour:", "paint:").replace("[red, blue]", "[crimson, blue]")
    questions = questions.replace("default: red", "default: blue") + (
        "_renamed:\n  questions: {colour: paint}\n  choices: {paint: {red: crimson}}\n"
    )
    files = {"README.md.jinja": OLD["README.md.jinja"].replace("colour", "paint")}
    done = bring(project, write_template(tmp_path / "renamed", files, questions))
    assert done.conflicts == ()
    assert "It is crimson." in (project / "README.md").read_text()
    assert "colour" not in (project / ANSWERS).read_text()


def test_an_answer_that_is_refused_now_is_named(project: Path, tmp_path: Path) -> None:
    """The message says which answers there are, and nothing has changed."""
    questions = QUESTIONS.replace("[red, blue]", "[green, blue]").replace(": red", ": green")
    root = write_template(tmp_path / "narrow", OLD, questions)
    before = snapshot(project)
    with pytest.raises(TemplateError, match=r"colour: 'red' isn't one of \['green', 'blue'\]"):
        bring(project, root)
    assert snapshot(project) == before
    bring(project, root, answers={"colour": "green"})
    assert "It is green." in (project / "README.md").read_text()


def test_an_answer_to_no_question_is_refused(project: Path, new: Path) -> None:
    """Also when only asking whether there is an update."""
    for call in (update, check_update):
        with pytest.raises(TemplateError, match=r"color: .*no such question.*package, colour"):
            call(project, answers={"color": "blue"}, root=new, version="0.2.0")


def test_nothing_new_changes_nothing(project: Path, old: Path) -> None:
    """The same template, the same answers: not one byte."""
    before = snapshot(project)
    done = update(project, root=old, version="0.1.4")
    assert (done.added, done.changed, done.deleted, done.conflicts) == ((), (), (), ())
    assert snapshot(project) == before


def test_two_updates_in_a_row(project: Path, new: Path, tmp_path: Path) -> None:
    """The second starts from what the first generated: no change comes twice."""
    code = project / "src" / "shop" / "code.py"
    code.write_text(code.read_text().replace("line 18\n", "mine\n"))
    commit(project)
    bring(project, new)
    commit(project)
    third = {**NEW, "src/{{ package }}/code.py": LINES.replace("line 3\n", "line drei\n")}
    root = write_template(tmp_path / "third", third)
    done = update(project, root=root, version="0.3.0")
    assert done.conflicts == ()
    assert done.changed == ("pyproject.toml", "src/shop/code.py", ANSWERS, ARCHIVE)
    assert "line drei\n" in code.read_text()
    assert "mine\n" in code.read_text()


def test_what_git_ignores_is_left_alone(project: Path, new: Path, tmp_path: Path) -> None:
    """Workspaces and environments are neither read nor moved."""
    (project / ".gitignore").write_text("workspace/\n")
    commit(project)
    (project / "workspace").mkdir()
    (project / "workspace" / "big.db").write_bytes(b"\0" * 100)
    (project / "workspace" / "wanted.txt").write_text("")
    listed = project_files(project, tmp_path, ["workspace/wanted.txt", "workspace/none.txt"])
    assert {path for path in listed if path.startswith("workspace")} == {"workspace/wanted.txt"}
    done = bring(project, new)
    assert done.conflicts == ()
    assert (project / "workspace" / "big.db").read_bytes() == b"\0" * 100


def test_line_ends_of_the_users_are_no_change(project: Path, new: Path) -> None:
    """Windows' line ends: no file is rewritten for them, and a merge isn't a conflict."""
    for name in ("README.md", "src/shop/code.py"):
        path = project / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = (project / "README.md").read_bytes()
    commit(project)
    assert bring(project, new).conflicts == ()
    assert (project / "README.md").read_bytes() == before
    assert b"line three" in (project / "src" / "shop" / "code.py").read_bytes()


def test_a_link_out_of_the_project_is_not_followed(
    project: Path, new: Path, tmp_path: Path
) -> None:
    """A folder that the user replaced by a link elsewhere isn't written to."""
    elsewhere = tmp_path / "elsewhere"
    (project / ".hidden").rename(elsewhere)
    (project / ".hidden").symlink_to(elsewhere)
    commit(project)
    done = bring(project, new)
    assert (elsewhere / "settings.yml").read_text() == "level: 1\n"
    assert done.kept_deleted == (".hidden/settings.yml",)
    assert (project / ".hidden").is_symlink()


@pytest.mark.parametrize("how", ["changed", "untracked", "staged"])
def test_uncommitted_work_is_refused(project: Path, new: Path, how: str) -> None:
    """By name; and with force it is merged like committed work."""
    path = project / ("mine.txt" if how == "untracked" else "README.md")
    path.write_text((path.read_text() if path.exists() else "") + "mine\n")
    if how == "staged":
        git(project, "add", "--all")
    before = snapshot(project)
    with pytest.raises(TemplateError, match=rf"isn't committed: {path.name}\. .*--force"):
        bring(project, new)
    assert snapshot(project) == before
    bring(project, new, force=True)
    assert path.read_text().endswith("mine\n")
    assert (project / "brand_new.py").exists()


def test_a_project_in_no_repository_is_refused(tmp_path: Path, old: Path, new: Path) -> None:
    """Nothing could take the update back; with force it is done."""
    folder = create("shop", tmp_path / "plain", root=old, version="0.1.0", git=False).folder
    with pytest.raises(TemplateError, match=r"no git repository.*git init.*--force"):
        bring(folder, new)
    assert bring(folder, new, force=True).conflicts == ()
    assert (folder / "brand_new.py").exists()


def test_a_project_in_a_folder_of_a_larger_repository(tmp_path: Path, old: Path, new: Path) -> None:
    """Only its own folder must be committed, and only that is touched."""
    git(tmp_path, "init", "--quiet", "mono")
    mono = tmp_path / "mono"
    folder = create("shop", mono / "teams" / "shop", root=old, version="0.1.0").folder
    assert not (folder / ".git").exists()
    (mono / "README.md").write_text("all\n")
    commit(mono)
    (mono / "README.md").write_text("in work\n")
    assert bring(folder, new).conflicts == ()
    assert git(mono, "status", "--porcelain", "README.md") == " M README.md\n"
    assert (folder / "brand_new.py").exists()


@pytest.mark.parametrize("missing", [ANSWERS, ARCHIVE])
def test_a_project_without_its_record_is_refused(project: Path, new: Path, missing: str) -> None:
    """The message names what is missing."""
    (project / missing).unlink()
    with pytest.raises(TemplateError, match=missing.replace(".", r"\.")):
        bring(project, new)


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"PK\5\6" + b"\0" * 18])
def test_a_broken_archive_is_named(project: Path, new: Path, content: bytes) -> None:
    """Where it is, and how to take it back."""
    (project / ARCHIVE).write_bytes(content)
    with pytest.raises(TemplateError, match=r"template\.zip can't be read.*git checkout HEAD"):
        bring(project, new)


def test_a_project_of_a_newer_kit_is_refused(project: Path, new: Path) -> None:
    """An older kit doesn't know what the newer template meant."""
    bring(project, new)
    commit(project)
    with pytest.raises(TemplateError, match=r"made by mlops-kit 0\.2\.0, and 0\.1\.9 is installed"):
        update(project, root=new, version="0.1.9")


def test_a_subfolder_of_a_project_is_not_the_project(project: Path, new: Path) -> None:
    """The message names the project."""
    with pytest.raises(TemplateError, match=rf"Did you mean {project}\?"):
        bring(project / "src", new)


def test_without_git_the_message_names_it(
    project: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging is git's work."""
    monkeypatch.setenv("PATH", "")
    before = snapshot(project)
    with pytest.raises(MissingToolError, match="git isn't installed"):
        bring(project, new)
    assert snapshot(project) == before


def test_hooks_and_filters_of_the_user_dont_run(
    project: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging is git's own code alone."""
    settings, ran = tmp_path / "gitconfig", tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "pre-commit", "post-merge", "pre-merge-commit"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    (project / ".gitattributes").write_text("*.txt filter=spy merge=spy\n")
    commit(project)
    settings.write_text(
        f'[core]\n\thooksPath = {hooks}\n[filter "spy"]\n\tclean = touch {ran}; cat\n'
        f'[merge "spy"]\n\tdriver = touch {ran}; false\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    (project / "notes.txt").write_text("some notes\nof mine\n")
    assert len(bring(project, new, force=True).conflicts) == 1
    assert not ran.exists()


KILLER = """\
import json, os, signal, sys
from pathlib import Path
import copier
from mlops_kit import new_merge, new_place, new_render, new_update
MODULES = {"place": new_place, "update": new_update, "path": Path}

def dying(function, number):
    calls = []
    def called(*args, **options):
        calls.append(1)
        if len(calls) > number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return called

for line in sys.stdin:
    project, root, moment, number = json.loads(line)
    if not (child := os.fork()):
        module, name = moment.split(".")
        patched = dying(getattr(MODULES[module], name), number)
        setattr(MODULES[module], name, patched)
        new_update.update(Path(project), root=Path(root), version="0.2.0")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Killer = Callable[[Path, Path, str, int], int]


@pytest.fixture(scope="module")
def die(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    """Give a function that updates in another process and kills it at a moment."""
    command = [sys.executable, "-W", "ignore", "-c", KILLER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | IDENTITY | {"TMPDIR": str(tmp_path_factory.mktemp("killed"))}
    with subprocess.Popen(command, env=environment, **pipes) as process:

        def killed(project: Path, root: Path, moment: str, number: int) -> int:
            process.stdin.write(json.dumps([str(project), str(root), moment, number]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield killed
        process.stdin.close()


@pytest.mark.parametrize(
    ("moment", "number"),
    [("update.render", 1), ("update.merge", 0), ("place._write", 3), ("place._rename_all", 0)],
)
def test_a_kill_before_the_end_leaves_the_old_project(
    project: Path, new: Path, die: Killer, moment: str, number: int
) -> None:
    """While rendering, merging or writing: every byte is the old one, and the next update works."""
    before = snapshot(project)
    assert die(project, new, moment, number) == -signal.SIGKILL
    mine = {name: value for name, value in snapshot(project).items() if name in before}
    assert mine == before
    assert git(project, "status", "--porcelain") == ""
    bring(project, new)
    assert (project / "brand_new.py").exists()
    assert not (project / new_place.UPDATING).exists()


@pytest.mark.parametrize("number", [2, 5, 8])
def test_a_kill_between_two_renames_is_finished_by_the_next_update(
    project: Path, new: Path, tmp_path: Path, die: Killer, number: int
) -> None:
    """The next update gives the very project, and lists the conflicts that the killed one had."""
    (project / "notes.txt").write_text("some notes\nof mine\n")
    commit(project)
    twin = tmp_path / "twin"
    git(tmp_path, "clone", "--quiet", str(project), str(twin))
    wanted = bring(twin, new)
    assert die(project, new, "path.replace", number) == -signal.SIGKILL
    assert (project / new_place.UPDATING / "journal.json").is_file()
    done = bring(project, new)
    assert done.finished
    assert done.conflicts == wanted.conflicts
    assert snapshot(project) == snapshot(twin)


def test_an_unfinished_update_isnt_finished_over_the_users_edits(
    project: Path, new: Path, die: Killer
) -> None:
    """What was changed since the kill is named, and stays."""
    die(project, new, "path.replace", 5)
    (project / "pyproject.toml").write_text("mine\n")
    with pytest.raises(TemplateError, match=r"pyproject\.toml was changed since"):
        bring(project, new)
    assert (project / "pyproject.toml").read_text() == "mine\n"


@pytest.mark.parametrize("path", ["../outside.txt", "/tmp/outside.txt", "link/outside.txt"])
def test_a_journal_cant_lead_out_of_the_project(
    project: Path, new: Path, tmp_path: Path, path: str
) -> None:
    """One that came with somebody's repository writes nothing elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (project / "link").symlink_to(tmp_path / "elsewhere")
    stage = project / new_place.UPDATING
    stage.mkdir()
    (stage / "0").write_text("x")
    changes = [{"path": path, "before": "", "after": "x"}]
    (stage / "journal.json").write_text(json.dumps({"changes": changes, "report": {}}))
    with pytest.raises(TemplateError, match="outside the project"):
        bring(project, new)
    assert list(tmp_path.rglob("outside.txt")) == []


def test_a_full_disk_leaves_the_old_project(
    project: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while the new files are written beside takes everything away again."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = snapshot(project)
    monkeypatch.setattr(new_place, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        bring(project, new)
    assert snapshot(project) == before


@pytest.fixture
def installed(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit that is installed is 0.2.0 with the new template."""
    monkeypatch.setattr(new_templates, "templates_root", lambda: new)
    monkeypatch.setattr("mlops_kit.new_update.kit_version", lambda: "0.2.0")


def run(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words))
    return found.exit_code, found.output


@pytest.mark.usefixtures("installed")
def test_the_command_says_what_it_did(project: Path) -> None:
    """--check first, then the update: files, exit codes."""
    code, said = run("update", str(project), "--check")
    assert code == 1
    assert "the template shop changed" in said
    assert "mlops-kit>=0.2,<0.3" in said
    code, said = run("update", str(project), "--defaults")
    assert code == 0
    assert "added     brand_new.py\n" in said
    assert "deleted   old.txt\n" in said
    assert run("update", str(project), "--check")[0] == 0


@pytest.mark.usefixtures("installed")
def test_the_command_lists_conflicts(project: Path) -> None:
    """Exit code 1, one line for each."""
    (project / "notes.txt").write_text("of mine\n")
    commit(project)
    code, said = run("update", str(project), "--data", "colour=blue")
    assert code == 1
    assert "CONFLICT  notes.txt: both changed it" in said
    assert "colour: blue" in (project / ANSWERS).read_text()


def test_an_archive_cant_lead_out_of_its_folder(old: Path) -> None:
    """An archive that somebody made up is refused before a file is written."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        record = {"template": "shop", "version": "0.1.0", "answers": {}, "given": {}}
        archive.writestr("record.json", json.dumps(record))
        archive.writestr("template/../../outside.txt", "x")
    with pytest.raises(TemplateError, match="leads out"):
        unpack(buffer.getvalue(), where="it")


def test_a_kept_template_comes_back_as_it_was(project: Path, old: Path) -> None:
    """Every byte and permission of the template is in the project's archive."""
    kept, record = unpack((project / ARCHIVE).read_bytes(), where="it")
    assert kept.files == find_template("shop", old).files
    assert record.answers == {"package": "shop", "colour": "red"}


def test_tasks_of_a_kept_template_are_refused(project: Path, new: Path) -> None:
    """An archive with commands in it, whoever put them there, runs none of them."""
    kept, record = unpack((project / ARCHIVE).read_bytes(), where="it")
    config = kept.files["copier.yml"].content + b"_tasks: [touch ran]\n"
    files = {**kept.files, "copier.yml": new_templates.TemplateFile(config)}
    (project / ARCHIVE).write_bytes(
        new_templates.pack(new_templates.Template("shop", files), record)
    )
    commit(project)
    with pytest.raises(TemplateError, match="unsafe"):
        bring(project, new)
