"""What the examiner's room's own process refuses to do."""

import contextlib
import sys
import types
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from autograder.examiner_reach import guard_process
from autograder.handles import HandleError

Hook = Callable[[str, Any], None]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> tuple[Hook, list[bool]]:
    """Give the hook, and a list whose last item says whether an answer is asked."""
    monkeypatch.setattr(sys, "path_hooks", list(sys.path_hooks))
    monkeypatch.setattr(sys, "path_importer_cache", {})
    hooks: list[Hook] = []
    asking = [False]
    with warnings.catch_warnings():
        guard_process(hooks.append, is_asking=lambda: asking[-1])
    return hooks[0], asking


@pytest.mark.parametrize("event", ["code.__new__", "function.__new__"])
def test_no_code_comes_about_while_an_answer_runs(
    hook: tuple[Hook, list[bool]], event: str
) -> None:
    """A test may make its own; what an answer hands over isn't made into any."""
    look, asking = hook
    look(event, ())
    asking.append(True)
    with pytest.raises(HandleError, match="while an answer runs"):
        look(event, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code.replace('', ''); make()", contextlib.nullcontext()),
        ("make()", pytest.raises(HandleError)),
    ],
)
def test_a_library_that_speaks_of_code_may_change_it(
    hook: tuple[Hook, list[bool]], text: str, expected: Any
) -> None:
    """One that calls what it is handed may not: it would make what an answer asks for."""
    look, asking = hook
    asking.append(True)
    code = compile(text, str(Path(sys.prefix, "lib", "library.py")), "exec")
    with expected:
        exec(code, {"make": partial(look, "code.__new__", ()), "code": ""})


def test_python_tells_of_code_that_is_made() -> None:
    """Of a function, of code, and of a copy with other parts."""
    told: list[str] = []
    is_over = False

    def note(event: str, _: Any) -> None:
        if not is_over and event.endswith(".__new__"):
            told.append(event)

    sys.addaudithook(note)
    code = (lambda: 1).__code__
    types.FunctionType(code, {})
    code.replace(co_name="other")
    is_over = True
    assert told == ["function.__new__", "code.__new__"]


@pytest.mark.parametrize("event", ["subprocess.Popen", "os.system", "pickle.find_class"])
def test_no_program_starts_and_nothing_is_unpickled(
    hook: tuple[Hook, list[bool]], event: str
) -> None:
    """Whoever asks for it."""
    with pytest.raises(HandleError, match="examiner's room"):
        hook[0](event, ("x",))
