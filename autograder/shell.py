"""The IPython shell of a room: it runs cells as a notebook would, without a kernel around it."""

import ast
import asyncio
import builtins
import codeop
import contextvars
import subprocess
import sys
import traceback
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from autograder.capture import Capture, as_text
from autograder.cell_text import plain_python

__all__ = ["CellOutcome", "RoomShell", "make_shell"]

_EVALUE = 20_000
_UNSET = object()


def _transforms(manager: Any) -> list[list[Any]]:
    """Give what a manager does to a cell's text."""
    return [manager.cleanup_transforms, manager.line_transforms, manager.token_transformers]


_TRANSFORMS = _transforms(TransformerManager())  # type: ignore[no-untyped-call]


class _Publisher(DisplayPublisher):
    capture: Capture = Capture()

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: Any = None,  # noqa: ARG002 - IPython's signature
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        data, metadata = as_text(data), dict(metadata or {})
        display_id = str((transient or {}).get("display_id") or "")
        if update:
            self.capture.update(display_id, data, metadata)
        else:
            shown = {"output_type": "display_data", "data": data, "metadata": metadata}
            self.capture.show(shown, display_id)

    def clear_output(self, wait: bool = False) -> None:
        self.capture.clear(wait=wait)


class _Hook(DisplayHook):
    capture: Capture = Capture()

    def write_output_prompt(self) -> None:
        """Show no prompt: the notebook has its own."""

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        if format_dict:
            self.capture.show(
                {
                    "output_type": "execute_result",
                    "execution_count": self.prompt_count,
                    "data": as_text(format_dict),
                    "metadata": dict(md_dict or {}),
                }
            )

    def finish_displayhook(self) -> None:
        """Write nothing: the result was captured."""


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """How a cell ended: without ``error``, or with the exception that ended it."""

    error: BaseException | None
    count: int


class RoomShell(InteractiveShell):
    """An IPython shell whose outputs go to a :class:`Capture`."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)

    compile: Any
    display_pub: Any
    displayhook: Any
    _cell_text = ""

    def system(self, command: str) -> None:
        """Run ``!command``: without a terminal, which rooms have none to give.

        What it writes is one stream, as on the terminal that Jupyter gives it.
        """
        sys.stdout.flush()
        text = self.var_expand(command, depth=1)  # type: ignore[no-untyped-call]
        done = subprocess.run(text, shell=True, stderr=subprocess.STDOUT, check=False)  # noqa: S602
        self.user_ns["_exit_code"] = done.returncode

    def capture_into(self, capture: Capture) -> None:
        """Send all outputs there."""
        self.display_pub.capture = capture
        self.displayhook.capture = capture

    def init_io(self) -> None:
        """Leave the streams alone: the room sets them."""

    def enable_gui(self, gui: Any = None) -> None:
        """Do nothing: there is no event loop to hook a window into."""

    def ask_exit(self) -> None:
        """Do nothing: a cell can't end the room politely."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        text = _text_of(evalue)
        lines = [str(line) for line in (stb if isinstance(stb, list) else [stb])]
        name = str(getattr(etype, "__name__", etype))
        error = {"output_type": "error", "ename": name, "evalue": text, "traceback": lines}
        self.display_pub.capture.show(error)

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Show the exception that is being handled, as plain text."""
        kind, value, trace = sys.exc_info()
        if value is None:
            return
        self._showtraceback(kind, value, _plain_traceback(value, trace))

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Show a syntax error, as plain text."""
        self.showtraceback()

    def showindentationerror(self) -> None:
        """Show an indentation error, as plain text."""
        self.showtraceback()

    def run_text(self, text: str, loop: asyncio.AbstractEventLoop) -> CellOutcome:
        """Run one cell to its end and say how it ended."""
        count = self.execution_count
        self._cell_text = text
        try:
            run = self.run_cell_async(
                text, store_history=True, transformed_cell=self._transform(text)
            )
            result = _completed(run, loop)
            self.events.trigger("post_execute")
            self.events.trigger("post_run_cell", result)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as stopped:  # the cell broke the shell itself
            error = stopped
            self._showtraceback(type(stopped), stopped, [_text_of(stopped)])
        if self.execution_count == count:
            self.execution_count = count + 1
        return CellOutcome(error, count)

    def compile_ahead(self, texts: Iterable[str]) -> None:
        """Compile cells as they will be when they run, in this order, as the first ones here.

        For a compiler that knows a statement again.
        """
        flags = self.compile.flags
        for number, text in enumerate(texts, self.execution_count):
            with suppress(Exception):  # an error shows when the cell runs
                name = _cell_name("", "", number)
                nodes = self.compile.ast_parse(self._transform(text), filename=name).body
                last = isinstance(nodes[-1], ast.Expr)
                with self.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
                    for node in nodes[: len(nodes) - last]:
                        self.compile(ast.Module([node], []), name, "exec")
                    for node in nodes[len(nodes) - last :]:
                        self.compile(ast.Interactive([node]), name, "single")
        self.compile.flags = flags

    def name_inner_cells(self) -> None:
        """Name what a cell runs by ``run_cell`` so that it isn't taken for the cell itself."""

        def name_code(raw: str, _: str, number: int) -> str:
            return f"<cell within {number}>" if raw != self._cell_text else f"<cell {number}>"

        self.compile.get_code_name = name_code

    def _rewrites(self) -> bool:
        """Say whether a cell has told this shell to rewrite cells in ways of its own."""
        now = _transforms(self.input_transformer_manager)
        return bool(self.input_transformers_post) or now != _TRANSFORMS

    def _transform(self, text: str) -> str:
        # A single line may be a magic without its sign, such as `pwd`, which is a name as well.
        if "\n" in text.strip() and not self._rewrites() and plain_python(text) is not None:
            return text if text.endswith("\n") else text + "\n"
        try:
            return str(self.transform_cell(text))  # type: ignore[no-untyped-call]
        except Exception:  # a broken magic: compiling the text as it is shows the error
            return text


def _completed(waiting: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Any:
    """Run what a cell does to its end, and keep the context variables that it sets.

    How NumPy prints and treats errors is among them.
    """
    context = contextvars.copy_context()
    task = loop.create_task(waiting, context=context)
    try:
        return loop.run_until_complete(task)
    finally:
        if task.done() and not task.cancelled():
            task.exception()  # which is raised already
        for variable, value in context.items():
            if variable.get(_UNSET) is not value:
                variable.set(value)


def _text_of(value: Any) -> str:
    try:
        return str(value)[:_EVALUE]
    except BaseException:  # an exception whose text can't be had
        return ""


def _plain_traceback(value: BaseException, trace: Any) -> list[str]:
    """Format a traceback from the first cell's frame on, without colours."""
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<cell"):
        trace = trace.tb_next
    try:
        return traceback.format_exception(type(value), value, trace, limit=-20, chain=False)
    except BaseException:  # formatting runs the student's own __str__
        return [type(value).__name__]


def _cell_name(_: str, __: str, number: int) -> str:
    """Name a cell's code, for tracebacks."""
    return f"<cell {number}>"


def _no_input(*_: Any) -> str:
    raise StdinNotImplementedError("input() was called, but nobody is there to type an answer.")


def make_shell(
    namespace: dict[str, Any],
    compiler: type[CachingCompiler] = CachingCompiler,
    kind: type[RoomShell] = RoomShell,
) -> Any:
    """Make a shell whose globals are ``namespace``, ready to run its first cell quickly."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.ast_node_interactivity = "last_expr"
    kind.clear_instance()
    shell: Any = kind.instance(config=config, user_ns=namespace)
    shell.compile = compiler()
    shell.compile.get_code_name = _cell_name
    # A cell is whole: an open bracket is an error with a name and a place, not half a line.
    shell.compile.flags &= ~getattr(codeop, "PyCF_ALLOW_INCOMPLETE_INPUT", 0)
    builtins.input = _no_input
    loop = asyncio.new_event_loop()
    try:
        shell.run_text("None", loop)
    finally:
        loop.close()
    shell.display_formatter.format(None)  # which makes a formatter for each kind of output
    shell.execution_count = 1
    history: Any = shell.history_manager
    history.input_hist_parsed[:] = [""]
    history.input_hist_raw[:] = [""]
    return shell
