"""`mlops-kit new`: a project whole or not at all, and every refusal says why."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mlops_kit import new_render, new_templates
from mlops_kit.cli import app
from mlops_kit.errors import MissingToolError, TemplateError
from mlops_kit.new import create, read_answers
from mlops_kit.new_render import kit_version, render
from mlops_kit.new_templates import ANSWERS, ARCHIVE, Template, TemplateFile, find_templates

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "templates" / "service" / "copier.yml").read_bytes()
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
SOMEBODY = NOBODY | {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip
FILES = {
    "README.md.jinja": "# {{ project_name }}\n",
    "src/{{ package }}/__init__.py": "",
    "run.sh": "#!/bin/sh\n",
    ".gitignore": "workspace/\n",
    "{% if ci in ['gitlab', 'both'] %}.gitlab-ci.yml{% endif %}": "stages: []\n",
}


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git knows who commits, and nothing of this machine's settings."""
    for name, value in SOMEBODY.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of templates: the service's questions with a few files."""
    folder = tmp_path_factory.mktemp("templates")
    for name, content in FILES.items():
        path = folder / "service" / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "service" / "template" / "run.sh").chmod(0o755)
    (folder / "service" / "copier.yml").write_bytes(CONFIG)
    return folder


@pytest.fixture
def small(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kit's own templates are those of ``root``."""
    monkeypatch.setattr(new_templates, "templates_root", lambda: root)
    return root


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def run(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words))
    said = "" if found.exception is None else str(found.exception)
    return found.exit_code, found.output + said


@pytest.mark.usefixtures("small")
def test_a_project_with_defaults(tmp_path: Path) -> None:
    """Names filled in, choices made, permissions kept; the next commands are named."""
    code, said = run("new", "service", str(tmp_path / "rides"), "--defaults")
    assert code == 0, said
    assert set(files(tmp_path / "rides")) == {
        "README.md", "run.sh", ".gitignore", "src/ride_cancellations/__init__.py", ANSWERS, ARCHIVE,
    }  # fmt: skip
    assert (tmp_path / "rides" / "README.md").read_text() == "# Ride cancellations\n"
    assert os.access(tmp_path / "rides" / "run.sh", os.X_OK)
    assert f"cd {tmp_path / 'rides'}" in said.replace("\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["rides"]


def test_the_same_answers_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """Wherever and whenever: nothing of the machine is in a project."""
    first = create("service", tmp_path / "a", root=root).folder
    (tmp_path / "deep" / "er").mkdir(parents=True)
    second = create("service", tmp_path / "deep" / "er" / "b", root=root).folder
    assert files(first) == files(second)
    whole = b"".join(files(first).values())
    assert str(tmp_path).encode() not in whole
    assert str(ROOT).encode() not in whole


@pytest.mark.usefixtures("small")
def test_answers_come_from_a_file_and_from_options(tmp_path: Path) -> None:
    """An option counts more than the file; a project's own answers file is such a file."""
    given = tmp_path / "answers.yml"
    given.write_text("project_name: Fares\nci: gitlab\n_version: 0.0.1\n")
    words = ("--answers", str(given), "--data", "package=fare_model", "-d", "ci=both", "--defaults")
    assert run("new", "service", str(tmp_path / "one"), *words)[0] == 0
    assert (tmp_path / "one" / "src" / "fare_model").is_dir()
    assert (tmp_path / "one" / ".gitlab-ci.yml").is_file()
    again = str(tmp_path / "one" / ANSWERS)
    assert run("new", "service", str(tmp_path / "two"), "--answers", again, "--defaults")[0] == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_the_answers_are_kept_in_order_with_version_and_template(
    root: Path, tmp_path: Path
) -> None:
    """What was answered, not what is computed."""
    folder = create("service", tmp_path / "a", root=root, version="1.2.3").folder
    kept = yaml.safe_load((folder / ANSWERS).read_text())
    assert list(kept)[:4] == ["_template", "_version", "project_name", "package"]
    assert kept["_version"] == "1.2.3"
    assert not {"slug", "kit_range", "template_version"} & set(kept)


def rendered(target: Path, **answers: object) -> dict[str, object]:
    """The answers that come of it, with the real questions and no files."""
    files_ = {"copier.yml": TemplateFile(CONFIG), "template/x": TemplateFile(b"")}
    made = render(Template("service", files_), target, answers=answers, version="0.1.0")
    return {**made.answers, **made.given}


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("package", "class", "taken.*keyword"),
        ("package", "print", "taken"),
        ("package", "json", "taken.*standard library"),
        ("package", "mlops_kit", "taken.*library that the project uses"),
        ("package", "pandas", "taken"),
        ("package", "2fast", "isn't a package's name"),
        ("package", "a-b", "isn't a package's name"),
        ("package", "Rides", "isn't a package's name"),
        ("package", "fährten", "isn't a package's name"),
        ("package", "rides\n", "isn't a package's name"),
        ("package", "../rides", "isn't a package's name"),
        ("package", "", "isn't a package's name"),
        ("package", "a" * 51, "longer than 50"),
        ("project_name", "ab", "3 to 60"),
        ("project_name", "a" * 61, "3 to 60"),
        ("project_name", 'Rides "beta"', "quotation marks"),
        ("project_name", "two\nlines", "control characters"),
        ("project_name", "123", "at least one letter"),
        ("description", "says \\n", "backslashes"),
        ("owner", "x", "2 to 60"),
        ("contact", "me", "isn't an e-mail address"),
        ("contact", "me@example.org\nx", "isn't an e-mail address"),
        ("ci", "jenkins", r"isn't one of \['github', 'gitlab', 'both', 'none'\]"),
        ("deploy", "swarm", "isn't one of"),
        ("tracking", "cloud", "isn't one of"),
        ("task", "ranking", "isn't one of"),
        ("python", "3.9", r"isn't one of \['3.11', '3.12', '3.13'\]"),
        ("colour", "red", "no such question. It asks: project_name, package"),
        ("slug", "other", "no such question"),
        ("kit_range", ">=9", "no such question"),
    ],
)
def test_an_answer_is_refused(tmp_path: Path, question: str, answer: str, said: str) -> None:
    """With a sentence that names the question; nothing is written."""
    with pytest.raises(TemplateError, match=rf"(?s)^{question}: .*{said}"):
        rendered(tmp_path / "a", **{question: answer})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("Ride cancellations", "ride_cancellations"),
        ("  Bike ".strip() + "-sharing: v2!", "bike_sharing_v2"),
        ("Class", "project_class"),
        ("3 rides", "project_3_rides"),
        ("JSON", "project_json"),
        ("Fährten & Co", "f_hrten_co"),
        ("Lambda", "project_lambda"),
    ],
)
def test_a_package_is_named_after_the_project(tmp_path: Path, name: str, package: str) -> None:
    """Always a name that Python takes and that hides nothing."""
    found = rendered(tmp_path / "a", project_name=name)
    assert found["package"] == package
    assert package.isidentifier()


def test_a_number_in_an_answers_file_is_the_version_it_looks_like(tmp_path: Path) -> None:
    """``python: 3.12`` in YAML is a number."""
    assert rendered(tmp_path / "a", python=3.12)["python"] == "3.12"


def test_the_project_depends_on_the_version_that_made_it() -> None:
    """From this minor version up to the next, from the version that is installed."""
    assert new_render.given_by_kit("0.1.0")["kit_range"] == ">=0.1,<0.2"
    assert new_render.given_by_kit("3.14.15.dev1+local")["kit_range"] == ">=3.14,<3.15"
    major, minor = kit_version().split(".")[:2]
    assert new_render.given_by_kit(kit_version())["kit_range"].startswith(f">={major}.{minor},")


@pytest.mark.usefixtures("small")
def test_a_folder_that_isnt_empty_is_refused(tmp_path: Path) -> None:
    """By name, with what is in it; and it stays as it is."""
    (tmp_path / "mine.txt").write_text("mine")
    code, said = run("new", "service", str(tmp_path), "--defaults")
    assert code == 1
    assert f"{tmp_path} isn't empty: it has mine.txt" in said
    assert files(tmp_path) == {"mine.txt": b"mine"}


def test_a_file_or_a_dead_link_is_refused(root: Path, tmp_path: Path) -> None:
    """There is no folder to put a project into."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TemplateError, match="is a file"):
        create("service", tmp_path / "file", root=root)
    with pytest.raises(TemplateError, match="leads nowhere"):
        create("service", tmp_path / "link", root=root)


def test_an_empty_folder_will_do(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the one that the shell is in; then it is told to look again."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = create("service", Path(), root=root)
    assert (folder / "README.md").is_file()
    assert any('cd "$PWD"' in note for note in made.notes)


def test_folders_above_are_made_and_taken_back(root: Path, tmp_path: Path) -> None:
    """A refusal leaves none of them."""
    with pytest.raises(TemplateError):
        create("service", tmp_path / "a" / "b" / "c", root=root, answers={"ci": "x"})
    assert list(tmp_path.iterdir()) == []
    create("service", tmp_path / "a" / "b" / "c", root=root)
    assert (tmp_path / "a" / "b" / "c" / "README.md").is_file()


@pytest.mark.usefixtures("small")
def test_an_unknown_or_missing_template_lists_what_there_is(tmp_path: Path) -> None:
    """And so does --list, on stdout."""
    code, said = run("new", "servise", str(tmp_path / "a"), "--defaults")
    assert code == 1
    assert "no template 'servise'; there: service." in said
    code, said = run("new")
    assert code == 1
    assert re.search(r"service +A model as a service", said)
    assert run("new", "--list")[0] == 0
    code, said = run("new", "service", "--list")
    assert code == 0
    assert "(github | gitlab | both | none) [github]" in said
    assert "[made from the other answers]" in said
    assert "slug" not in said
    assert "Name a folder" in run("new", "service")[1]


@pytest.mark.usefixtures("small")
def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    """The message names the options that answer."""
    code, said = run("new", "service", str(tmp_path / "a"))
    assert code == 1
    assert "--defaults" in said
    assert "--data" in said


@pytest.mark.parametrize("pair", ["ci", "=x", ""])
@pytest.mark.usefixtures("small")
def test_data_without_an_equals_sign_is_refused(tmp_path: Path, pair: str) -> None:
    """It names what was given."""
    code, said = run("new", "service", str(tmp_path / "a"), "--defaults", "--data", pair)
    assert code == 1
    assert f"{pair!r} isn't QUESTION=ANSWER" in said


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "", "3: x\n", "\0"])
def test_an_answers_file_that_holds_no_answers_is_refused(tmp_path: Path, text: str) -> None:
    """A list, nothing, or what isn't YAML."""
    path = tmp_path / "answers.yml"
    path.write_text(text)
    with pytest.raises(TemplateError, match=r"answers\.yml"):
        read_answers(path)
    with pytest.raises(TemplateError, match="can't be read"):
        read_answers(tmp_path / "missing.yml")


def test_the_first_commit_holds_everything(root: Path, tmp_path: Path) -> None:
    """On main, with nothing left over."""
    folder = create("service", tmp_path / "a", root=root).folder
    assert git(folder, "status", "--porcelain", "--branch") == "## main\n"
    assert set(git(folder, "ls-files").splitlines()) == set(files(folder))


def test_without_a_name_for_git_the_commit_is_left_to_the_user(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is staged, and the note says what to type."""
    for name in SOMEBODY.keys() - NOBODY.keys():
        monkeypatch.delenv(name)
    made = create("service", tmp_path / "a", root=root)
    assert "git config --global user.name" in made.notes[0]
    assert git(made.folder, "status", "--porcelain").startswith("A  ")


def test_without_git_there_is_a_project_all_the_same(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no repository, and the note says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    made = create("service", tmp_path / "a", root=root)
    assert "git isn't installed" in made.notes[0]
    assert (made.folder / "README.md").is_file()
    assert not (made.folder / ".git").exists()


def test_a_repository_is_made_only_where_wanted(root: Path, tmp_path: Path) -> None:
    """Not with --no-git, and not inside another."""
    assert not (create("service", tmp_path / "a", root=root, git=False).folder / ".git").exists()
    git(tmp_path, "init", "--quiet")
    made = create("service", tmp_path / "b", root=root)
    assert not (made.folder / ".git").exists()
    assert "in a git repository already" in made.notes[0]


def test_hooks_of_the_user_dont_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit is git's own code alone, unsigned."""
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n\thooksPath = {hook.parent}\n[commit]\n\tgpgSign = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert create("service", tmp_path / "a", root=root).notes == ()


def test_settings_of_copier_play_no_part(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another person's defaults would give another project."""
    settings = tmp_path / "settings.yml"
    settings.write_text("defaults:\n  project_name: Somebody else's\n")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(settings))
    made = create("service", tmp_path / "a", root=root)
    assert made.record.answers["project_name"] == "Ride cancellations"


def test_without_copier_the_message_names_the_extra(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How to install it; and nothing is written."""
    monkeypatch.setitem(sys.modules, "copier", None)
    with pytest.raises(MissingToolError, match=r"pip install 'mlops-kit\[templates\]'"):
        create("service", tmp_path / "a", root=root)
    assert list(tmp_path.iterdir()) == []


def test_a_template_with_tasks_is_refused(tmp_path: Path) -> None:
    """Nothing of a template is ever executed."""
    config = b"_tasks: [touch ran]\nname: {default: x, type: str}\n"
    template = Template("odd", {"copier.yml": TemplateFile(config)})
    with pytest.raises(TemplateError, match="unsafe"):
        render(template, tmp_path / "a", answers={}, version="0.1.0")


@pytest.mark.parametrize("content", ["{{ oops", "{{ 1 / 0 }}", "{% include 'none' %}"])
def test_a_template_that_cant_be_rendered_is_named(tmp_path: Path, content: str) -> None:
    """With what is wrong, never as a traceback."""
    named = {"copier.yml": TemplateFile(b"name: x\n"), "a.jinja": TemplateFile(content.encode())}
    with pytest.raises(TemplateError, match="the template 'odd'"):
        render(Template("odd", named), tmp_path / "a", answers={}, version="0.1.0")


def test_a_full_disk_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the folder nor beside it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(new_render, "_write_record", full)
    with pytest.raises(OSError, match="No space left"):
        create("service", tmp_path / "a" / "b", root=root)
    assert list(tmp_path.iterdir()) == []


KILLER = """\
import json, os, signal, sys
from pathlib import Path
import copier
from mlops_kit import new, new_render
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

def interrupted(function, number):
    def called(*args, **options):
        os.kill(os.getpid(), number)
        return function(*args, **options)
    return called

for line in sys.stdin:
    folder, root, moment, number = json.loads(line)
    if not (child := os.fork()):
        module = new_render if hasattr(new_render, moment) else new
        setattr(module, moment, interrupted(getattr(module, moment), number))
        try:
            new.create("service", Path(folder), root=Path(root))
        except BaseException as error:
            os._exit(100 + isinstance(error, KeyboardInterrupt))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Killer = Callable[[Path, Path, str, int], int]


@pytest.fixture(scope="module")
def stop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    """Give a function that makes a project in another process and stops it at a moment."""
    command = [sys.executable, "-W", "ignore", "-c", KILLER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | SOMEBODY | {"TMPDIR": str(tmp_path_factory.mktemp("killed"))}
    with subprocess.Popen(command, env=environment, **pipes) as process:

        def stopped(folder: Path, root: Path, moment: str, number: int) -> int:
            process.stdin.write(json.dumps([str(folder), str(root), moment, number]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield stopped
        process.stdin.close()


MOMENTS = ["write_files", "_write_record", "first_commit", "_move"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_nothing_in_the_folder(
    root: Path, tmp_path: Path, stop: Killer, moment: str
) -> None:
    """And what lies beside it is removed by the next call."""
    folder = tmp_path / "a"
    assert stop(folder, root, moment, signal.SIGKILL) == -signal.SIGKILL
    assert not folder.exists()
    create("service", folder, root=root, git=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interruption_leaves_nothing_at_all(
    root: Path, tmp_path: Path, stop: Killer, moment: str, number: int
) -> None:
    """From the keyboard or from the system."""
    wanted = 101 if number == signal.SIGINT else 100
    assert stop(tmp_path / "deep" / "a", root, moment, number) == wanted
    assert list(tmp_path.iterdir()) == []


def test_another_process_at_work_isnt_disturbed(root: Path, tmp_path: Path) -> None:
    """What a living process has beside the folder stays."""
    other = tmp_path / f".a.mlops-kit-{os.getppid()}"
    other.mkdir()
    create("service", tmp_path / "a", root=root, git=False)
    assert other.is_dir()


def test_questions_are_asked_at_a_terminal(root: Path, tmp_path: Path) -> None:
    """A wrong answer is told at once; Enter takes the default; what was given isn't asked."""
    pexpect = pytest.importorskip("pexpect")
    script = (
        "from pathlib import Path\nfrom mlops_kit import cli, new_templates\n"
        f"new_templates.templates_root = lambda: Path({str(root)!r})\ncli.main()\n"
    )
    words = ["-W", "ignore", "-c", script, "new", "service", str(tmp_path / "a"), "-d", "ci=both"]
    # This terminal can't say where its cursor is, and isn't asked.
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "PROMPT_TOOLKIT_NO_CPR": "1"}
    with pexpect.spawn(
        sys.executable, words, env=environment, encoding="utf-8", timeout=120, dimensions=(50, 200)
    ) as terminal:
        terminal.expect("What is the project called")
        terminal.sendline("")
        terminal.expect("Python package")
        terminal.send("\x15class\r")
        terminal.expect("is taken")
        terminal.send("\x15fares\r")
        terminal.expect("What does the model predict")
        terminal.send("\r")
        for question in ("What does the model do", "Which team", "How does one reach"):
            terminal.expect(question)
            terminal.sendline("")
        for question in ("Where are runs", "Where does the service"):
            terminal.expect(question)
            terminal.send("\r")
        terminal.expect("Which Python")
        terminal.send("\r")
        terminal.expect("Next:")
        terminal.expect(pexpect.EOF)
    assert (tmp_path / "a" / "src" / "fares").is_dir()
    assert (tmp_path / "a" / ".gitlab-ci.yml").is_file()


def test_documents_are_copied_as_they_are(tmp_path: Path) -> None:
    """All ten and their index, in no repository of their own."""
    made = create("documents", tmp_path / "docs")
    source = ROOT / "templates" / "documents"
    wanted = {path.name: path.read_bytes() for path in source.glob("*.md")}
    found = files(made.folder)
    assert {name: found.pop(name) for name in wanted} == wanted
    assert set(found) == {ANSWERS, ARCHIVE}
    assert not (made.folder / ".git").exists()
    assert "project-card.md" in made.next_steps


def test_every_template_of_the_kit_can_be_listed() -> None:
    """Each has a name and a sentence."""
    templates = {template.name: template.summary for template in find_templates()}
    assert set(templates) == {"documents", "service"}
    assert all(summary.endswith(".") for summary in templates.values())


def test_what_tools_leave_behind_is_no_part_of_a_template(tmp_path: Path) -> None:
    """Caches beside the sources don't get into projects."""
    for name in ("__pycache__/a.pyc", ".ruff_cache/x", "b.pyc", ".DS_Store", "kept.py"):
        path = tmp_path / "odd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert set(new_templates.read_template(tmp_path / "odd").files) == {"kept.py"}
