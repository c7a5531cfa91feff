"""What a room says it showed, made fit for a notebook's file, a page and a terminal.

Anything may stand in it: student code can write the room's reports itself.
"""

import math
import re
from typing import Any

from nbformat import NotebookNode

from autograder.active_markup import acts, fetches

__all__ = ["clean_outputs", "plain_text"]

_TEXT = 20_000
_DEPTH = 30
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SEQUENCES = re.compile(
    r"(\x1b\[[0-9;]*m)|\x1b\[[0-9;?]*[A-Za-z@]?|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|"
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_TURNING = dict.fromkeys(
    (*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}"
)

_INTERPRETED = ("text/html", "image/svg+xml", "text/markdown", "text/latex")
_SCRIPTS = ("application/javascript", "text/javascript", "application/ecmascript")
_LEFT_OUT = "(shown with something that acts in a browser, which is left out)"


def _text(value: Any) -> str:
    return _writable(value[:_TEXT]) if type(value) is str else ""


def plain_text(value: Any) -> str:
    """Read a text that is shown on terminals too: without what steers them."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", _text(value))


def _writable(text: str) -> str:
    """Replace lone surrogates, which no file can hold, and marks that turn a line's order round.

    Of what steers a terminal, colours stay.
    """
    text = _SEQUENCES.sub(lambda found: found[1] or "", text)
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8").translate(_TURNING)


def clean_outputs(outputs: Any, limit: int) -> list[NotebookNode]:
    """Make valid nbformat outputs, within a bound, of what a room says it showed."""
    made: list[NotebookNode] = []
    left = 2 * limit + _TEXT
    for output in outputs if isinstance(outputs, list) else []:
        if _length(output) > left:
            continue
        clean = _clean_output(output)
        size = len(str(clean))
        if clean is not None and size <= left and len(made) < 2_000:
            left -= size
            made.append(_node(clean))
    return made


def _length(value: Any, depth: int = 0) -> int:
    """Give a length of all texts in an output, which is looked at more closely if it isn't much."""
    if type(value) is str or depth > _DEPTH:
        return len(value) if type(value) is str else 0
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return sum(_length(part, depth + 1) for part in parts) if isinstance(parts, list) else 1


def _node(value: dict[str, Any]) -> NotebookNode:
    return NotebookNode(value)  # type: ignore[no-untyped-call]


def _clean_output(output: Any) -> dict[str, Any] | None:
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        text = output.get("text")
        if type(text) is not str:
            return None
        return {"output_type": kind, "name": name, "text": _writable(text)}
    if kind == "error":
        lines = output.get("traceback")
        texts = [_text(line) for line in lines[:200]] if isinstance(lines, list) else []
        return {
            "output_type": kind,
            "ename": _text(output.get("ename")),
            "evalue": _text(output.get("evalue")),
            "traceback": texts,
        }
    if kind not in ("display_data", "execute_result") or not isinstance(output.get("data"), dict):
        return None
    # What is taken away may have kept a word from being one, so that is done first.
    written = {_writable(mime): _plain(value) for mime, value in output["data"].items()}
    data = {mime: value for mime, value in written.items() if _is_harmless(mime, value)}
    if len(data) < len(output["data"]):
        data.setdefault("text/plain", _LEFT_OUT)
    shown: dict[str, Any] = {"output_type": kind, "data": _node(data)}
    shown["metadata"] = _node({})
    if kind == "execute_result":
        count = output.get("execution_count")
        shown["execution_count"] = count if type(count) is int and 0 <= count < 1 << 31 else None
    return shown


def _is_harmless(mime: str, value: Any) -> bool:
    """Say whether a browser that shows this does no more than show it.

    An address that it would ask for may hold what a hidden test was called with.
    """
    if type(value) is str:
        is_page = mime in _INTERPRETED
        return mime not in _SCRIPTS and not (is_page and (acts(value) or fetches(value)))
    return mime.endswith("json") and isinstance(value, (dict, list))


def _plain(value: Any, depth: int = 0) -> Any:
    """Leave out of JSON what no notebook's file can hold: NaN, and what is nested too deep."""
    if depth > _DEPTH or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, str):
        return _writable(value)
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return _node({_writable(key): _plain(item, depth + 1) for key, item in value.items()})
    return value
