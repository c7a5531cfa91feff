"""What a cell prints and shows, as nbformat outputs, within a bound.

Text that goes to ``sys.stdout`` and ``sys.stderr``, what is displayed, and what reaches file
descriptors 1 and 2 behind Python's back (programs that were started, libraries in C).
"""

import base64
import io
import os
import tempfile
from typing import Any

__all__ = ["Capture", "CapturedStream", "Descriptors"]

Output = dict[str, Any]
CUT = "\n... output was cut here: it is longer than may be kept ...\n"
_ITEMS = 1_000


class Capture:
    """Collects outputs in order; neighbouring text of one stream is one output."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.limit = limit
        self._left = limit
        self._items: list[Output] = []
        self._parts: list[str] = []
        self._stream = ""
        self._shown: dict[str, Output] = {}
        self._clear = False
        self._cut = False

    def text(self, stream: str, text: str) -> None:
        """Add printed text."""
        if not text or self._cut:
            return
        if self._clear:
            self.clear()
        if stream != self._stream:
            self._flush()
            self._stream = stream
        if len(text) > self._left:
            text = text[: self._left] + CUT
            self._cut = True
        self._left -= len(text)
        self._parts.append(text)

    def show(self, output: Output, display_id: str = "") -> None:
        """Add something displayed, a result or an error."""
        if self._clear:
            self.clear()
        self._flush()
        size = _size(output)
        if len(self._items) < _ITEMS and size <= self._left:
            self._left -= size
            self._items.append(output)
            if display_id:
                self._shown[display_id] = output
        elif output["output_type"] == "error":
            short = {**output, "traceback": []}
            short |= {name: output[name][:2000] for name in ("ename", "evalue")}
            self._items.append(short)

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Replace something displayed before."""
        output = self._shown.get(display_id)
        if output is not None and _size(data) <= self._left:
            self._left -= _size(data)
            output.update(data=data, metadata=metadata)

    def clear(self, *, wait: bool = False) -> None:
        """Forget what was shown, at once or when the next thing is shown."""
        self._clear = wait
        if not wait:
            self._items.clear()
            self._parts.clear()

    @property
    def empty(self) -> bool:
        """Say whether nothing was printed or shown."""
        return not self._items and not self._parts

    def take(self) -> list[Output]:
        """Give the outputs and start anew."""
        self._flush()
        taken, self._items = self._items, []
        self._left, self._stream, self._cut, self._clear = self.limit, "", False, False
        self._shown.clear()
        return taken

    def _flush(self) -> None:
        if self._parts:
            text = "".join(self._parts)
            self._items.append({"output_type": "stream", "name": self._stream, "text": text})
        self._parts = []
        self._stream = ""


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_size(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return sum(_size(item) for item in value)
    return len(value) if isinstance(value, (str, bytes)) else 8


def as_text(data: dict[str, Any]) -> dict[str, Any]:
    """Make a mime bundle fit for JSON."""
    return {
        str(kind): base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
    }


class CapturedStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, capture: Capture, name: str, descriptor: int) -> None:
        self._capture = capture
        self._name = name
        self._descriptor = descriptor
        self.name = f"<{name}>"

    def write(self, text: str) -> int:
        """Take printed text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.text(self._name, text)
        return len(text)

    def writable(self) -> bool:
        """Say that text can be written."""
        return True

    def isatty(self) -> bool:
        """Say that nobody is looking."""
        return False

    def fileno(self) -> int:
        """Give the descriptor that programs started by the cell write to."""
        return self._descriptor


class Descriptors:
    """Collects what is written to the descriptors 1 and 2 themselves."""

    def __init__(self) -> None:
        self._files = []
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the room
            os.dup2(file.fileno(), descriptor)
            self._files.append((name, file))

    def collect(self, capture: Capture) -> None:
        """Move what was written into a capture."""
        for name, file in self._files:
            if os.fstat(file.fileno()).st_size:
                data = os.pread(file.fileno(), capture.limit + 1, 0)
                os.ftruncate(file.fileno(), 0)
                os.lseek(file.fileno(), 0, os.SEEK_SET)
                capture.text(name, data.decode("utf-8", "replace"))
