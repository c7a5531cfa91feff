"""The commands ``mlops-kit new`` and ``mlops-kit update``: a project from a template."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.errors import TemplateError

if TYPE_CHECKING:
    from mlops_kit.new_update import Updated

__all__ = ["new_command", "update_command"]

messages = Console(stderr=True, highlight=False)

Defaults = Annotated[bool, typer.Option("--defaults", help="Ask nothing: take the defaults.")]
Data = Annotated[
    list[str] | None, typer.Option("--data", "-d", help="QUESTION=ANSWER; can be given again.")
]
Answers = Annotated[Path | None, typer.Option("--answers", help="A YAML file with answers.")]


def new_command(
    template: Annotated[str | None, typer.Argument(help="Which template.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="A folder that doesn't exist yet.")] = None,
    defaults: Defaults = False,
    data: Data = None,
    answers: Answers = None,
    git: Annotated[
        bool | None,
        typer.Option("--git/--no-git", help="Make a repository with a first commit."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the templates, or one's questions, and end.")
    ] = False,
) -> None:
    """Make a project from a template, with questions asked at the terminal.

    The folder must be empty or not exist; it is filled whole or not at all.

    git makes a first commit there, unless it lies in a repository already.

    Nothing of a template is executed. Without TEMPLATE, templates are listed.

    mlops-kit update brings the project to a newer template later.
    """
    from mlops_kit.new import create

    if list_ or template is None:
        if template is None:
            _list()
        else:
            _list_questions(template)
        if list_:
            return
        raise TemplateError("which template? Name one of these: mlops-kit new TEMPLATE DIR.")
    if folder is None:
        raise TemplateError(f"where to? Name a folder: mlops-kit new {template} DIR.")
    ask = not defaults
    if ask and not sys.stdin.isatty():
        raise TemplateError(
            "there is no terminal to ask at. Add --defaults, and --data QUESTION=ANSWER "
            "where a default isn't right."
        )
    made = create(template, folder, answers=_given(data, answers), ask=ask, git=git)
    messages.print(f"{escape(template)} in {escape(str(folder))}", soft_wrap=True)
    for note in made.notes:
        messages.print(f"note: {escape(note)}", soft_wrap=True)
    messages.print(escape(made.next_steps), soft_wrap=True)


def update_command(
    folder: Annotated[Path, typer.Argument(help="A project that mlops-kit new made.")] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether there is an update (exit code 1).")
    ] = False,
    defaults: Defaults = False,
    data: Data = None,
    answers: Answers = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even if git couldn't take the update back.")
    ] = False,
) -> None:
    """Bring a project to the template of the installed mlops-kit; your changes stay.

    git merges three versions: as generated, as it is, as generated now.

    What was generated is known from .mlops-kit/template.zip; no network is used.

    --data changes an answer. New questions are asked, or take their default.

    Where both changed the same lines, the file holds both between git's markers.

    Such files are listed, and the exit code is 1. What you deleted stays deleted.

    Commit first: with anything uncommitted, nothing is done (but see --force).
    """
    from mlops_kit.new_update import check_update, update

    given = _given(data, answers)
    if check:
        available = check_update(folder, answers=given)
        for why in available.why:
            sys.stdout.write(f"{why}\n")
        if available.why:
            raise typer.Exit(1)
        messages.print(f"{escape(str(folder))} is up to date (mlops-kit {available.new})")
        return
    ask = not defaults and sys.stdin.isatty()
    done = update(folder, answers=given, ask=ask, force=force)
    _report(done, folder)
    if done.conflicts:
        raise typer.Exit(1)


def _report(done: "Updated", folder: Path) -> None:
    for word, paths in (
        ("added", done.added),
        ("changed", done.changed),
        ("deleted", done.deleted),
    ):
        for path in paths:
            sys.stdout.write(f"{word:9} {path}\n")
    for path in done.kept_deleted:
        sys.stdout.write(f"{'absent':9} {path}: the template changed it, you deleted it\n")
    for path, what in done.conflicts:
        sys.stdout.write(f"{'CONFLICT':9} {path}: {what}\n")
    changes = len(done.added) + len(done.changed) + len(done.deleted)
    if done.finished:
        messages.print("An update that had been interrupted is finished now.")
    if done.conflicts:
        messages.print(
            f"{len(done.conflicts)} to decide: edit each, then commit. "
            "git diff shows everything; git stash --include-untracked puts it all aside.",
            soft_wrap=True,
        )
    elif changes or done.finished:
        messages.print(
            f"{changes} files brought to mlops-kit {done.new}. "
            "Read git diff, run the tests, commit.",
            soft_wrap=True,
        )
    else:
        messages.print(
            f"{escape(str(folder))} is up to date (mlops-kit {done.new})", soft_wrap=True
        )


def _list() -> None:
    from mlops_kit.new_templates import find_templates

    for template in find_templates():
        sys.stdout.write(f"{template.name:12} {template.summary}\n")


def _list_questions(name: str) -> None:
    from mlops_kit.new_templates import find_template

    for question in find_template(name).asked():
        choices = f" ({' | '.join(question.choices)})" if question.choices else ""
        default = question.default or "made from the other answers"
        sys.stdout.write(f"{question.name:14} {question.help}{choices} [{default}]\n")


def _given(data: list[str] | None, answers: Path | None) -> dict[str, Any]:
    from mlops_kit.new import read_answers

    given = {} if answers is None else read_answers(answers)
    for pair in data or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise TemplateError(f"--data {pair!r} isn't QUESTION=ANSWER.")
        given[name] = value
    return given
