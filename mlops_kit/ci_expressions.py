"""The expressions of workflow files: ``${{ … }}`` as GitHub Actions evaluates them, in part.

Values, the operators ``! == != < <= > >= && ||``, brackets, names with dots and the functions
listed in :data:`FUNCTIONS`. Whatever else stands there is refused by name.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_kit.errors import CiError

__all__ = ["Context", "FUNCTIONS", "evaluate", "fill", "holds"]

FUNCTIONS = (
    *("always", "cancelled", "contains", "endsWith", "failure", "format", "join", "startsWith"),
    *("success", "toJSON"),
)
_STATUS = ("success", "failure", "always", "cancelled")
_MARKED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\.(?:[A-Za-z0-9_-]+|\*))*)"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[!<>()\[\],]))"
)


@dataclass(frozen=True, slots=True)
class Context:
    """What expressions may look at: named values, and how the job went so far."""

    values: Mapping[str, Any] = field(default_factory=dict)
    status: str = "success"
    """``"success"``, ``"failure"`` or ``"cancelled"``."""


def fill(text: str, context: Context) -> str:
    """Replace every ``${{ … }}`` in a text by its value.

    Raises
    ------
    CiError
        If an expression can't be read or uses what isn't supported.

    Examples
    --------
    >>> fill("python ${{ matrix.python }}", Context({"matrix": {"python": "3.12"}}))
    'python 3.12'
    """
    return _MARKED.sub(lambda found: _as_text(evaluate(found[1], context)), text)


def holds(condition: str, context: Context) -> bool:
    """Say whether an ``if:`` lets a job or step run; without a status function, only on success.

    Examples
    --------
    >>> holds("github.event_name == 'push'", Context({"github": {"event_name": "push"}}))
    True
    >>> holds("", Context(status="failure")), holds("always()", Context(status="failure"))
    (False, True)
    """
    text = condition.strip()
    if text.startswith("${{") and text.endswith("}}"):
        text = text[3:-2]
    asks = any(re.search(rf"\b{name}\s*\(", text) for name in _STATUS)
    usual = asks or context.status == "success"
    return usual and (not text.strip() or _truth(evaluate(text, context)))


def evaluate(text: str, context: Context) -> Any:
    """Give the value of one expression, without its marks.

    Raises
    ------
    CiError
        If it can't be read or uses what isn't supported.
    """
    return _Reader(text, context).whole()


class _Reader:
    def __init__(self, text: str, context: Context) -> None:
        self.text = text.strip()
        self.context = context
        self.tokens = self._split()
        self.place = 0

    def _split(self) -> list[tuple[str, str]]:
        tokens, place = [], 0
        while place < len(self.text):
            found = _TOKEN.match(self.text, place)
            if found is None:
                raise self._error(f"{self.text[place:].strip()[:20]!r} isn't understood")
            tokens.append((str(found.lastgroup), str(found[found.lastgroup or 0])))
            place = found.end()
        return tokens

    def _error(self, problem: str) -> CiError:
        return CiError(
            f"the expression {self.text!r}: {problem}. Supported: values, names, ! == != < <= > >= "
            f"&& ||, brackets, and {', '.join(f'{name}()' for name in FUNCTIONS)}."
        )

    def _next(self) -> str:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def _take(self, *signs: str) -> str:
        if self.place < len(self.tokens):
            kind, text = self.tokens[self.place]
            if kind == "sign" and text in signs:
                self.place += 1
                return text
        return ""

    def whole(self) -> Any:
        value = self._either()
        if self.place != len(self.tokens):
            raise self._error(f"{self._next()!r} was not expected")
        return value

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if _truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = other if _truth(value) else value
        return value

    def _compared(self) -> Any:
        value = self._single()
        if sign := self._take("==", "!=", "<=", ">=", "<", ">"):
            return _compare(sign, value, self._single())
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not _truth(self._single())
        if self._take("("):
            value = self._either()
            if not self._take(")"):
                raise self._error("a bracket isn't closed")
            return value
        if self.place >= len(self.tokens):
            raise self._error("it ends too early")
        kind, text = self.tokens[self.place]
        self.place += 1
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "name":
            return self._call(text) if self._take("(") else self._looked_up(text)
        raise self._error(f"{text!r} was not expected")

    def _looked_up(self, name: str) -> Any:
        words = {"true": True, "false": False, "null": None}
        if name in words:
            return words[name]
        first, *rest = name.split(".")
        if first not in self.context.values:
            known = ", ".join(sorted(self.context.values)) or "none"
            raise self._error(f"there is no {first!r} here (there: {known})")
        value = self.context.values[first]
        return _inside(value, rest)

    def _call(self, name: str) -> Any:
        values: list[Any] = []
        while not self._take(")"):
            values.append(self._either())
            if not self._take(",") and self._next() != ")":
                raise self._error("a bracket isn't closed")
        if name not in FUNCTIONS:
            raise self._error(f"the function {name}() isn't supported")
        if name in _STATUS:
            return name in ("always", self.context.status)
        try:
            return _CALLS[name](*values)
        except (TypeError, IndexError):
            raise self._error(f"{name}() doesn't take {len(values)} such values") from None


def _inside(value: Any, parts: list[str]) -> Any:
    """Follow names into a value; ``*`` stands for each of its parts."""
    for place, part in enumerate(parts):
        if part == "*":
            each = value.values() if isinstance(value, Mapping) else ()
            return [_inside(entry, parts[place + 1 :]) for entry in each]
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _as_number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def _compare(sign: str, one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        pair: tuple[Any, Any] = (one.lower(), other.lower())
    elif type(one) is type(other) and not isinstance(one, int | float):
        pair = (one, other)
    else:
        pair = (_as_number(one), _as_number(other))
    results = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    return bool(results[sign](*pair))


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_compare("==", item, what) for item in where)
    return _as_text(what).lower() in _as_text(where).lower()


def _format(pattern: Any, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: _as_text(values[int(found[1])]), _as_text(pattern))


_CALLS: Mapping[str, Callable[..., Any]] = {
    "contains": _contains,
    "startsWith": lambda text, part: _as_text(text).lower().startswith(_as_text(part).lower()),
    "endsWith": lambda text, part: _as_text(text).lower().endswith(_as_text(part).lower()),
    "format": _format,
    "join": lambda items, sign=",": sign.join(map(_as_text, items)),
    "toJSON": lambda value: json.dumps(value, indent=2),
}
