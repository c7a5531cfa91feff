"""Render a template into a folder with copier: answers checked, nothing executed."""

import builtins
import contextlib
import importlib.metadata
import keyword
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_kit.errors import KitError, MissingToolError, TemplateError
from mlops_kit.new_templates import ANSWERS, ARCHIVE, Record, Template, pack

__all__ = [
    "given_by_kit",
    "kit_version",
    "message_after",
    "refuse_unknown",
    "render",
    "reserved_names",
]

# Packages that a generated project imports: its own package mustn't hide one.
_LIBRARIES = """
autograder book conf data deploy docs evidently fastapi hamilton httpx labs matplotlib mlflow
mlops_kit numpy pandas pandera prometheus_client pydantic pydantic_settings pytest river scipy
sklearn src templates test tests typer uvicorn yaml
"""
_HEAD = "# Written by mlops-kit. Change an answer with: mlops-kit update --data QUESTION=ANSWER\n"


def kit_version() -> str:
    """Give the version of the installed ``mlops-kit``."""
    return importlib.metadata.version("mlops-kit")


def given_by_kit(version: str) -> dict[str, Any]:
    """Give what no question asks: the kit's version and the range that a project depends on.

    Examples
    --------
    >>> given_by_kit("1.4.2")
    {'kit_range': '>=1.4,<1.5', 'template_version': '1.4.2'}
    """
    major, minor = (*version.split("."), "0")[:2]
    return {
        "kit_range": f">={major}.{minor},<{major}.{int(minor) + 1}",
        "template_version": version,
    }


def reserved_names() -> list[str]:
    """List what a package mustn't be called: Python's own names and the project's libraries."""
    standard = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    words = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
    return sorted({*standard, *words, *_LIBRARIES.split()})


def render(
    template: Template,
    target: Path,
    *,
    answers: Mapping[str, Any],
    version: str,
    ask: bool = False,
    given: Mapping[str, Any] | None = None,
    reserved: Sequence[str] | None = None,
) -> Record:
    """Render ``template`` into the new folder ``target``, with the answers and the template.

    Parameters
    ----------
    template : Template
        What to render.
    target : Path
        A folder that doesn't exist yet.
    answers : mapping
        Answers to questions, as text or as values; questions without one take their default.
    version : str
        The version of ``mlops-kit`` that the template belongs to.
    ask : bool, default=False
        Ask, at the terminal, the questions that have no answer.
    given : mapping, optional
        What the kit fills in, by default :func:`given_by_kit` of ``version``.
    reserved : sequence of str, optional
        What a package mustn't be called, by default :func:`reserved_names`.

    Returns
    -------
    Record
        What was made from what.

    Raises
    ------
    TemplateError
        If an answer is refused, or names no question.
    MissingToolError
        If copier isn't installed.

    Notes
    -----
    Templates run no tasks and load no extensions: copier refuses both without ``unsafe``, which
    is never given. The user's own settings of copier play no part.
    """
    copier = _copier()
    filled = dict(given_by_kit(version) if given is None else given)
    asked = [name for name in template.questions if name not in filled]
    refuse_unknown(template, answers)
    taken = reserved_names() if reserved is None else list(reserved)
    with tempfile.TemporaryDirectory(prefix="mlops-kit-") as scratch:
        source = Path(scratch) / template.name
        write_files(template, source)
        with _said_plainly(template.name):
            worker = copier.run_copy(
                str(source),
                target,
                data={**answers, **filled, "reserved_names": taken},
                settings=copier.Settings(),
                defaults=not ask,
                overwrite=True,
                quiet=True,
            )
    found, hidden = worker.answers.combined, worker.answers.hidden
    kept = {name: found[name] for name in asked if name in found and name not in hidden}
    record = Record(template.name, version, kept, filled)
    target.mkdir(exist_ok=True)
    _write_record(template, record, target)
    _plain_modes(target)
    return record


def refuse_unknown(template: Template, answers: Mapping[str, Any]) -> None:
    """Raise TemplateError where an answer belongs to no question of the template."""
    if unknown := sorted(set(answers) - set(template.questions)):
        raise TemplateError(
            f"{', '.join(unknown)}: the template {template.name!r} has no such question. "
            f"It asks: {', '.join(template.questions) or 'nothing'}."
        )


def write_files(template: Template, folder: Path) -> None:
    """Write the template's own files to ``folder``."""
    for path, file in template.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        place.chmod(0o755 if file.executable else 0o644)


def message_after(template: Template, record: Record, folder: Path) -> str:
    """Give what the template says once a project is there: the next commands."""
    from jinja2.sandbox import SandboxedEnvironment

    text = str(template.config.get("_message_after_copy", ""))
    slug = str(record.answers.get("package", "")).replace("_", "-")
    context = {"slug": slug, **record.given, **record.answers, "folder": str(folder)}
    return SandboxedEnvironment().from_string(text).render(context).rstrip()


def _write_record(template: Template, record: Record, target: Path) -> None:
    import yaml

    head = {"_template": record.template, "_version": record.version}
    text = yaml.safe_dump({**head, **record.answers}, sort_keys=False, allow_unicode=True)
    (target / ANSWERS).write_text(_HEAD + text, "utf-8")
    archive = target / ARCHIVE
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(pack(template, record))


def _plain_modes(folder: Path) -> None:
    """Give files the modes of files that one writes, however the template was installed."""
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.rglob("*"):
        usual = 0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666
        path.chmod(usual & ~mask)


def _copier() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import copier
    except ImportError as error:
        raise MissingToolError(
            "templates need copier, which isn't installed: pip install 'mlops-kit[templates]'."
        ) from error
    return copier


@contextlib.contextmanager
def _said_plainly(name: str) -> Iterator[None]:
    """Turn copier's and Jinja's errors into the kit's."""
    from copier.errors import CopierAnswersInterrupt
    from jinja2 import TemplateError as JinjaError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CopierAnswersInterrupt:
        raise KeyboardInterrupt from None
    except JinjaError as error:
        raise TemplateError(f"the template {name!r} is broken: {error}.") from error
    except (KitError, OSError):
        raise
    except Exception as error:  # a template's expressions may raise anything
        raise TemplateError(_plain(str(error), name)) from error


def _plain(message: str, name: str) -> str:
    """Say copier's message about an answer as the kit says things."""
    for start in ("Validation error for question ", "Invalid choice for "):
        if message.startswith(start):
            quoted, _, said = message.removeprefix(start).partition(": ")
            question = quoted.strip("'")
            said = said.strip().rstrip(".").replace(" is not in [", " isn't one of [")
            return f"{question}: {said}. Give another: --data {question}=…"
    return f"the template {name!r} can't be rendered: {message.strip()}"
