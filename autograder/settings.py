"""What a lab's ``lab.toml`` says, checked; and what an overlay or a student's id makes of it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from autograder.engine import Limits
from autograder.errors import LabError

__all__ = [
    "Lab",
    "Question",
    "load_lab",
    "overlaid",
    "personal_parameters",
    "settings_text",
]

Parameter = bool | int | float | str | list[Any]

# No limit of time, size or number needs more; it also keeps out what is no number.
_MOST = 10_000_000

_KEYS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "chapter": str,
    "minutes": int,
    "points": (int, float),
    "packages": list,
    "parameters": dict,
    "personal": list,
    "limits": dict,
    "questions": dict,
}


@dataclass(frozen=True, slots=True)
class Question:
    """What ``lab.toml`` says of one test cell."""

    title: str


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab's settings, from its ``lab.toml``; ``name`` is its folder's name."""

    name: str
    title: str
    folder: Path
    chapter: str = ""
    minutes: int = 0
    points: float = 0.0
    packages: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    personal: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    questions: Mapping[str, Question] = field(default_factory=dict)

    def question_title(self, test_id: str) -> str:
        """Give a test cell's title, or its id where ``lab.toml`` has none."""
        question = self.questions.get(test_id)
        return question.title if question else test_id


def load_lab(folder: Path) -> Lab:
    """Read the ``lab.toml`` of a lab's folder.

    Raises
    ------
    LabError
        If the file is missing, isn't TOML, or says something that no lab says.
    """
    return _lab(folder.name, folder, _read_settings(folder / "lab.toml"))


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise LabError(f"{path} is missing; every lab needs one.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{path} isn't TOML: {error}.") from None
    for key, value in settings.items():
        wanted = _KEYS.get(key)
        if wanted is None:
            raise LabError(f"{path}: unknown key {key!r}; known are {', '.join(sorted(_KEYS))}.")
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise LabError(f"{path}: {key} has the wrong type of value: {value!r}.")
    return settings


def _lab(name: str, folder: Path, settings: Mapping[str, Any]) -> Lab:
    where = f"{folder / 'lab.toml'}"
    if not settings.get("title"):
        raise LabError(f"{where}: title is missing.")
    parameters = settings.get("parameters", {})
    for key, value in parameters.items():
        if not key.isidentifier() or not isinstance(value, (bool, int, float, str, list)):
            raise LabError(
                f"{where}: parameter {key} = {value!r} can't be used; a name with a number, text, "
                "true or false, or a list was wanted."
            )
    personal = tuple(settings.get("personal", ()))
    for key in personal:
        if type(parameters.get(key)) is not int:
            raise LabError(
                f"{where}: personal = {list(personal)!r}, but {key!r} isn't a whole number under "
                "[parameters]."
            )
    return Lab(
        name=name,
        folder=folder,
        title=settings["title"],
        chapter=settings.get("chapter", ""),
        minutes=settings.get("minutes", 0),
        points=float(settings.get("points", 0)),
        packages=tuple(settings.get("packages", ())),
        parameters=parameters,
        personal=personal,
        limits=_limits(where, settings.get("limits", {})),
        questions=_questions(where, settings.get("questions", {})),
    )


def _limits(where: str, settings: Mapping[str, Any]) -> Limits:
    known = {item.name for item in fields(Limits)}
    for key, value in settings.items():
        if key not in known:
            raise LabError(f"{where}: unknown limit {key!r}; known are {', '.join(sorted(known))}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise LabError(f"{where}: limit {key} must be a number above 0, got {value!r}.")
        if value > _MOST:
            raise LabError(f"{where}: limit {key} must be at most {_MOST:,}, got {value!r}.")
    return Limits(**settings)


def _questions(where: str, settings: Mapping[str, Any]) -> dict[str, Question]:
    questions = {}
    for name, entry in settings.items():
        if not isinstance(entry, dict) or set(entry) != {"title"} or not entry["title"]:
            raise LabError(f'{where}: [questions.{name}] must hold title = "…", got {entry!r}.')
        questions[name] = Question(title=str(entry["title"]))
    return questions


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in extra.items():
        old = both.get(key)
        both[key] = (
            _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return both


def overlaid(lab: Lab, overlay: Path | None) -> Lab:
    """Merge the ``lab.toml`` that an overlay holds for ``lab`` into its settings."""
    extra = overlay / lab.name / "lab.toml" if overlay else None
    if extra is None or not extra.is_file():
        return lab
    settings = _merged(_read_settings(lab.folder / "lab.toml"), _read_settings(extra))
    return replace(_lab(lab.name, extra.parent, settings), folder=lab.folder)


def settings_text(lab: Lab) -> str:
    """Write a lab's settings as the text of a ``lab.toml``."""
    limits = {item.name: getattr(lab.limits, item.name) for item in fields(Limits)}
    lines = [
        f"title = {_toml(lab.title)}",
        f"chapter = {_toml(lab.chapter)}",
        f"minutes = {lab.minutes}",
        f"points = {_toml(lab.points)}",
        f"packages = {_toml(list(lab.packages))}",
        f"personal = {_toml(list(lab.personal))}",
        "",
        "[parameters]",
        *(f"{key} = {_toml(value)}" for key, value in lab.parameters.items()),
        "",
        "[limits]",
        *(f"{key} = {_toml(value)}" for key, value in limits.items()),
    ]
    for name, question in lab.questions.items():
        lines += ["", f"[questions.{_toml(name)}]", f"title = {_toml(question.title)}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def personal_parameters(lab: Lab, student: str) -> dict[str, Parameter]:
    """Give the lab's parameters for one student: those named ``personal`` depend on the id.

    The same lab, settings and id give the same parameters on every machine.
    """
    parameters = dict(lab.parameters)
    for name in lab.personal:
        key = json.dumps([lab.name, name, lab.parameters[name], student]).encode()
        parameters[name] = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") % 1_000_000
    return parameters
