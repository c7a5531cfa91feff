"""The global random generators, kept alike in both rooms for test cells that speak of them."""

import hashlib
import random
import re
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from autograder.handles import HandleError
from autograder.random_states import States, fingerprint, states, unpacked
from autograder.wire import WireError
from autograder.wire_values import need

__all__ = ["Generators"]

_WORDS = 624
_BLOCKS = 2_000
_SEEDS, _SMALL, _PAST = 200, 10, 32
_NUMBERS = re.compile(r"(?<![\w.])\d[\d_]{0,18}(?![\w.])")


class _Link(Protocol):
    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room."""


class Generators:
    """Carries the states of both generators between the rooms around each question."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self.may_seed = False
        """Whether the lab asks students to seed the generators, or to put them back."""
        self._states: States | None = None
        self._print: tuple[States | None, str] = (None, "")
        self._active = False
        self._seeds: dict[int, None] = dict.fromkeys(range(_SMALL))
        self._past: list[States] = []

    def begin(self, text: str, *, active: bool) -> None:
        """Start a test cell; there is something to do in an ``active`` one only."""
        self._active = active
        self._states = None
        self._past.clear()
        for number in _NUMBERS.findall(text) if active and self.may_seed else ():
            self.handed(int(number.replace("_", "")))

    def handed(self, *values: Any) -> None:
        """Note whole numbers that a test speaks of or hands over: they may be seeds."""
        if self.may_seed:
            for value in values:
                if type(value) is int and value >= 0:
                    self._seeds.pop(value, None)
                    self._seeds[value] = None
            while len(self._seeds) > _SEEDS:
                del self._seeds[next(iter(self._seeds))]

    def carry(self) -> None:
        """Bring to the student's room what was drawn or seeded here."""
        if not self._active:
            return
        now = states()
        if self._states is None or not _same(now, self._states):
            self._link.ask("seed", *now)
            self._states = now
            if self.may_seed:
                self._past = [*self._past[-_PAST:], now]

    def known(self) -> str | None:
        """Give the fingerprint of the states that both rooms have; None if nothing is to do."""
        if not self._active:
            return None
        if self._print[0] is not self._states:
            self._print = self._states, fingerprint(self._states) if self._states else ""
        return self._print[1]

    def fetch(self, seen: dict[str, Any] | None = None) -> None:
        """Go on here where student code has drawn to.

        Parameters
        ----------
        seen : dict, optional
            What came with an answer that was to tell of other states than :meth:`known`; without
            it, the student's room is asked.
        """
        if (known := self.known()) is None:
            return
        told = self._link.ask("states", known) if seen is None else seen.get("random")
        if told is None and known:  # nothing was drawn
            return
        try:
            there: Any = told if seen is None else unpacked(told)
            need(type(there) is tuple and len(there) == 2, "two states")
            if self._states is None or _same(there, self._states):
                return
            need(_is_random(there[0][1]) and _is_random(there[1][1]), "states of generators")
            need(type(there[1][2]) is int and 0 <= there[1][2] <= _WORDS, "a generator's place")
            _follow(there, self._seeded(there))
        except (TypeError, ValueError, LookupError, OverflowError, WireError) as error:
            raise HandleError(
                f"the student's random generator is in no valid state: {error}"
            ) from None
        self._states = states()

    def _seeded(self, there: States) -> States:
        """Give the states that the student's room was asked to take, and took; the rest as here.

        Those of a seed that stands in the test, and those that the generators had before in it.
        """
        plain, numpys = states()
        words, drawn = _words(there[0]), np.asarray(there[1][1])
        for known, known_words in (
            *map(_of_seed, self._seeds),
            *((past, _words(past[0])) for past in self._past),
        ):
            plain = known[0] if np.array_equal(known_words, words) else plain
            numpys = known[1] if np.array_equal(known[1][1], drawn) else numpys
        return plain, numpys


@lru_cache(maxsize=2 * _SEEDS)
def _of_seed(seed: int) -> tuple[States, Any]:
    """Give the states that a seed puts the generators into, and the words of the first."""
    plain, numpys = random.Random(seed), np.random.RandomState(seed % (1 << 32))
    known = plain.getstate(), numpys.get_state(legacy=True)
    return known, _words(known[0])


def _words(plain: Any) -> Any:
    """Give the words of a state of Python's generator, without the place in them."""
    return np.array(plain[1], np.uint64)[:-1]


def _is_random(words: Any) -> bool:
    """Say whether the words of a generator's state look drawn: of nought alone, all is nought."""
    state = np.asarray(words, dtype=np.uint64)
    place = int(state[-1]) if state.size == _WORDS + 1 else 0
    return (
        state.size in (_WORDS, _WORDS + 1)
        and place <= _WORDS
        and np.unique(state[:_WORDS]).size > _WORDS // 2
    )


def _follow(there: States, begun: States) -> None:
    """Go on where the student's room has drawn to; to no place that its code could choose.

    ``begun`` is where it may have drawn from. From another place, one is made up that depends on
    it.
    """
    words, drawn = np.array(there[0][1], np.uint64), np.asarray(there[1][1], np.uint64)
    seen = hashlib.sha256(words.tobytes() + drawn.tobytes() + bytes([int(there[1][2]) % 256]))
    (version, own, _), (kind, key, place, *_) = begun
    numpys: Any = (kind, there[1][1], there[1][2])
    if _is_ahead(own[:-1], own[-1], words[:-1], int(words[-1])):
        random.setstate((version, there[0][1], None))
    else:
        random.seed(seen.digest())
    if _is_ahead(key, place, drawn, int(there[1][2])):
        np.random.set_state(numpys)
    else:
        np.random.seed(int.from_bytes(seen.digest()[:4], "big"))


def _is_ahead(own: Any, place: int, words: Any, there: int) -> bool:
    """Say whether a generator gets from one state to another by drawing, and not too far."""
    if np.array_equal(own, words):
        return there >= place
    bits: Any = np.random.MT19937()
    key = np.asarray(own, np.uint32)
    bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": place}}
    for _ in range(_BLOCKS):
        bits.random_raw(_WORDS, output=False)
        if np.array_equal(bits.state["state"]["key"], words):
            return True
    return False


def _same(one: States, other: States) -> bool:
    (kind, key, *places), (other_kind, other_key, *other_places) = one[1], other[1]
    is_same = one[0] == other[0] and (kind, places) == (other_kind, other_places)
    return is_same and np.array_equal(key, other_key)
