"""The templates that this kit brings: where they lie, what they hold, how a project keeps one.

A project keeps the template that it was made from, with the answers that were given, as a small
archive in ``.mlops-kit/template.zip``: so that an update knows what was generated and what is
the user's, from any version and without a network.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from mlops_kit.errors import MissingToolError, TemplateError

__all__ = [
    "ANSWERS",
    "ARCHIVE",
    "KEPT",
    "Question",
    "Record",
    "Template",
    "TemplateFile",
    "find_template",
    "find_templates",
    "pack",
    "read_template",
    "templates_root",
    "unpack",
]

ANSWERS = ".copier-answers.yml"
KEPT = ".mlops-kit"
ARCHIVE = f"{KEPT}/template.zip"
_CONFIG = "copier.yml"
_RECORD = "record.json"
_INSIDE = "template"
_IGNORED = frozenset(
    {".DS_Store", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
)
_MOST_FILES = 2_000
_MOST_BYTES = 50_000_000
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """One file of a template: its bytes, and whether it may be executed."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a template.

    Attributes
    ----------
    name, help : str
        What answers are given to, and what is asked.
    choices : tuple of str
        What there is to choose from; empty where the answer is free.
    default : str
        What an answer is without being given; empty where it is made from other answers.
    """

    name: str
    help: str
    choices: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template in memory: its name and all its files by their path below its folder.

    Attributes
    ----------
    name : str
        What ``mlops-kit new`` calls it.
    files : mapping of str to TemplateFile
        Every file, by its path with forward slashes, ``copier.yml`` among them.
    """

    name: str
    files: Mapping[str, TemplateFile]

    @property
    def config(self) -> dict[str, Any]:
        """What ``copier.yml`` says: settings begin with ``_``, the rest are questions."""
        yaml = _yaml()
        try:
            found = yaml.safe_load(self.files[_CONFIG].content)
        except (KeyError, ValueError, yaml.YAMLError) as error:
            raise TemplateError(
                f"the template {self.name!r} has no readable {_CONFIG}: {error}."
            ) from error
        return dict(found or {})

    @property
    def questions(self) -> tuple[str, ...]:
        """The names of the questions that are asked, in their order; computed ones are not."""
        return tuple(question.name for question in self.asked())

    def asked(self) -> tuple[Question, ...]:
        """Describe the questions that are asked, in their order."""
        found = []
        for name, asked in self.config.items():
            if name.startswith("_"):
                continue
            words = asked if isinstance(asked, dict) else {"default": asked}
            if words.get("when") is False:
                continue
            choices = words.get("choices") or ()
            values = choices.values() if isinstance(choices, dict) else choices
            default = str(words.get("default", ""))
            given = "" if "{{" in default else default
            found.append(Question(name, str(words.get("help", "")), tuple(map(str, values)), given))
        return tuple(found)

    @property
    def summary(self) -> str:
        """What it makes, in one sentence."""
        return str(self.config.get("_summary", ""))

    @property
    def digest(self) -> str:
        """A hash of all its files; two templates with the same hash make the same projects."""
        whole = hashlib.sha256()
        for path, file in sorted(self.files.items()):
            whole.update(f"{path}\0{file.executable}\0{len(file.content)}\0".encode())
            whole.update(file.content)
        return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """What a project was made from: template, version of the kit, answers, what the kit gave.

    Attributes
    ----------
    template, version : str
        The template's name and the version of ``mlops-kit`` that brought it.
    answers : dict
        The answers to the questions that were asked.
    given : dict
        What no question asks and the kit fills in, such as its own range of versions.
    """

    template: str
    version: str
    answers: dict[str, Any]
    given: dict[str, Any]


def templates_root() -> Path:
    """Give the folder of the templates: inside the installed package, or the repository's own.

    Raises
    ------
    TemplateError
        If neither is there.
    """
    package = Path(__file__).parent
    installed, repository = package / "templates", package.parent / "templates"
    if installed.is_dir():
        return installed
    if repository.is_dir() and (package.parent / "pyproject.toml").is_file():
        return repository
    raise TemplateError(
        f"this installation of mlops-kit has no templates: {installed} is missing. "
        "Install it again: pip install --force-reinstall 'mlops-kit[templates]'."
    )


def find_templates(root: Path | None = None) -> tuple[Template, ...]:
    """Read every template below ``root`` (by default the kit's own), sorted by name."""
    folder = templates_root() if root is None else root
    return tuple(read_template(path.parent) for path in sorted(folder.glob(f"*/{_CONFIG}")))


def find_template(name: str, root: Path | None = None) -> Template:
    """Read the template called ``name``.

    Raises
    ------
    TemplateError
        If there is none; the message lists those that there are.
    """
    templates = find_templates(root)
    for template in templates:
        if template.name == name:
            return template
    names = ", ".join(template.name for template in templates) or "none"
    raise TemplateError(f"there is no template {name!r}; there: {names}.")


def read_template(folder: Path) -> Template:
    """Read the template in ``folder``, but for what tools leave lying about."""
    files = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not _IGNORED & set(place.parts) and path.suffix != ".pyc":
            executable = bool(path.stat().st_mode & 0o100)
            files[place.as_posix()] = TemplateFile(path.read_bytes(), executable)
    return Template(folder.name, MappingProxyType(files))


def pack(template: Template, record: Record) -> bytes:
    """Write a template and what was made from it as an archive; same input, same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        record_text = json.dumps(asdict(record), indent=1, sort_keys=True, ensure_ascii=False)
        entries = {_RECORD: TemplateFile(record_text.encode())}
        entries |= {f"{_INSIDE}/{path}": file for path, file in sorted(template.files.items())}
        for path, file in entries.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = 3
            entry.external_attr = (0o100755 if file.executable else 0o100644) << 16
            archive.writestr(entry, file.content, zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def unpack(content: bytes, *, where: str) -> tuple[Template, Record]:
    """Read an archive that :func:`pack` wrote; ``where`` is named in errors.

    Raises
    ------
    TemplateError
        If it isn't such an archive, or is larger than any template.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            too_much = sum(entry.file_size for entry in entries) > _MOST_BYTES
            if too_much or len(entries) > _MOST_FILES:
                raise TemplateError(f"{where} is too large for a template's archive.")
            record = Record(**json.loads(archive.read(_RECORD)))
            files = {
                _safe(entry.filename): TemplateFile(
                    archive.read(entry), bool(entry.external_attr >> 16 & 0o100)
                )
                for entry in entries
                if entry.filename.startswith(f"{_INSIDE}/")
            }
    except TemplateError:
        raise
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError, EOFError) as error:
        raise TemplateError(
            f"{where} can't be read ({error}). Take it back from the last commit: "
            f"git checkout HEAD -- {ARCHIVE}."
        ) from error
    return Template(record.template, MappingProxyType(files)), record


def _safe(name: str) -> str:
    """Give the path below the template's folder, if it stays there."""
    path = PurePosixPath(name).relative_to(_INSIDE)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ValueError(f"{name!r} leads out of the template")
    return path.as_posix()


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingToolError(
            "templates need copier, which isn't installed: pip install 'mlops-kit[templates]'."
        ) from error
    return yaml
