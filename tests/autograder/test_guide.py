"""The pages for teachers: every command on them exists, with the options that they give it."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from autograder.cli import app

PAGES = sorted((Path(__file__).parents[2] / "book" / "appendices").glob("*.qmd"))
COMMAND = re.compile(r"^autograder .+$|`(autograder [^`]+)`", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """List the commands in listings and within sentences."""
    text = re.sub(r"```\{python\}.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [match[1] or match[0] for match in COMMAND.finditer(text)]


def test_there_are_pages_with_commands() -> None:
    """The test below has something to look at."""
    assert sum(len(commands(page)) for page in PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_on_a_page_exists(page: Path) -> None:
    """Its name, its options, and no more arguments than it takes."""
    group: Any = typer.main.get_command(app)
    for text in commands(page):
        _, name, *words = shlex.split(text)
        command = group.commands[name]
        known = {option for param in command.params for option in param.opts}
        given = {word for word in words if word.startswith("--")}
        assert given <= known, f"{text}: there is no {given - known}"
        command.make_context(name, list(words), resilient_parsing=True)
