"""The judge of the attacks is awake: whoever gets an undeserved point is found among others."""

from typing import Any

import pytest

TRIED = {
    "vain": "def solve(x): return 5",
    "successful": "def solve(x): return x * x",
    "vain too": "raise SystemExit",
}


@pytest.mark.parametrize("name", list(TRIED))
def test_in_a_round_only_the_one_who_gains_fails(name: str, attack: Any, attempt: Any) -> None:
    """Right answers stand for an attack that works."""

    def go() -> None:
        attack(name, lambda one: attempt({"attack": TRIED[one]}), list(TRIED))

    if name == "successful":
        with pytest.raises(AssertionError, match="successful"):
            go()
    else:
        go()
