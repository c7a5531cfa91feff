"""The wire under fire: whatever arrives is a value or a refusal, in bounded memory."""

import contextlib
import importlib.util
import json
import random
import socket
import struct
import threading
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import wire_numpy, wire_pandas, wire_stdlib  # noqa: F401 - they add their types
from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_link import ExaminerLink
from autograder.examiner_random import Generators
from autograder.handles import HandleError
from autograder.notebook import notebook_bytes, read_notebook
from autograder.random_states import packed, set_states, states
from autograder.records import Record, RunFacts
from autograder.results import SubmissionResult
from autograder.room_orders import clean_report
from autograder.room_outputs import clean_outputs
from autograder.wire import Bounds, Channel, Frame, WireError, parse_body, to_json
from autograder.wire_values import DECODERS, ENCODERS, Decoder, Encoder


def _beside(name: str) -> Any:
    """Import a module that lies beside this one; the folder is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kinds = _beside("wire_kinds")
BOUNDS = Bounds(text_bytes=50_000, blob_bytes=50_000, items=5_000, int_bits=4_000)
# Python's own lists and ints take about 30 times the text that they were written as.
MOST_MEMORY = 60 * (BOUNDS.text_bytes + BOUNDS.blob_bytes)
QUIET = pytest.mark.filterwarnings("ignore")


def encode(value: Any) -> tuple[Any, bytes]:
    encoder = Encoder(BOUNDS)
    item = json.loads(to_json(encoder.encode(value)))
    return item, b"".join(bytes(blob) for blob in encoder.blobs)


def decode(item: Any, blob: bytes) -> Any:
    return Decoder(memoryview(blob), BOUNDS).decode(item)


def test_every_kind_that_crosses_is_made_here() -> None:
    """A kind that is added to the wire is added to its fuzz tests."""
    assert set(kinds.KINDS) == set(ENCODERS)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
@QUIET
def test_each_kind_comes_back_as_it_was(kind: Any) -> None:
    """Of the same exact type, with the same contents, as often as it goes to and fro."""

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(kinds.KINDS[kind])
    def check(value: Any) -> None:
        assert type(value) is kind
        there = decode(*encode(value))
        assert kinds.alike(there, value)
        assert kinds.alike(decode(*encode(there)), value)

    check()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2, 1 << 24, 1 << 40, 1 << 62]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        [
            *("<f8", "|b1", "<U2", "<M8[ns]", "|S0", "<U0", "C", "F", "ns", "left", "string"),
            *("np", "o", "cat", "str", "iv", "per", "dtz", "ma", "2d", "by", "America", "D"),
        ]
    ),
)
TAGS = st.sampled_from(sorted(DECODERS))
ITEMS = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(lambda tag, parts: [tag, *parts], TAGS, st.lists(inner, max_size=6))
    ),
    max_leaves=12,
)
REAL = st.one_of(*kinds.KINDS.values()).map(encode)


def lists_in(item: Any) -> list[list[Any]]:
    """Find every list in an item that isn't empty."""
    found = [item] if isinstance(item, list) and item else []
    return found + [inner for part in found for one in part for inner in lists_in(one)]


@st.composite
def damaged(draw: Any) -> tuple[Any, bytes]:
    """Make a real message with a few things exchanged, doubled, dropped or swapped inside."""
    item, blob = draw(REAL)
    item = json.loads(to_json(item))
    other = draw(REAL)[0]
    for _ in range(draw(st.integers(1, 4))):
        lists = lists_in(item)
        if not lists:
            item = draw(ITEMS)
            continue
        place = draw(st.sampled_from(lists))
        index = draw(st.integers(0, len(place) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                place[index] = draw(ITEMS)
            case 1:
                place[index : index + 1] = [place[index]] * draw(st.sampled_from([0, 2, 40]))
            case 2:
                place[index] = draw(ODD)
            case 3:
                place[index] = json.loads(to_json(draw(st.sampled_from(lists))))
            case 4:
                place[index] = json.loads(to_json(other))
            case 5:
                blob = draw(st.sampled_from([blob[:-1], blob + b"\xff" * 8, blob[::-1]]))
    return item, blob


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(damaged() | st.tuples(ITEMS, st.binary(max_size=40)))
@QUIET
def test_a_damaged_message_is_refused_or_read_in_bounded_memory(message: tuple[Any, bytes]) -> None:
    """Nothing but :class:`WireError` comes out, and little text never becomes much memory."""
    # What is over the bound because it imported a library isn't so again.
    assert memory_for(*message) < MOST_MEMORY or memory_for(*message) < MOST_MEMORY


def memory_for(item: Any, blob: bytes) -> int:
    """Give the most memory that reading a message takes, in bytes."""
    tracemalloc.start()
    try:
        with contextlib.suppress(WireError):
            decode(item, blob)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


RANGE = ["ixr", 0, 1 << 24, 1, None]
HUGE = ["ixr", 0, 1 << 40, 1, None]
NONE = ["d", [], []]
CODES = ["|i1", [1], "C", [0, 1]]
MUCH_OF_LITTLE = {
    "the same bytes again": (["l", *[["b", [0, 40_000]]] * 1_000], bytes(40_000)),
    "an array again": (["l", *[["a", "|u1", [40_000], "C", [0, 40_000]]] * 1_000], bytes(40_000)),
    "a range as sides": (["ea", ["iv", "left", RANGE, RANGE]], b""),
    "a huge range as sides": (["ea", ["iv", "left", HUGE, HUGE]], b""),
    "a range as categories": (["ea", ["cat", CODES, RANGE, False]], b"\0"),
    "a huge range as a level": (["ixm", [HUGE], [CODES], [None]], b"\0"),
    "items without size": (["a", "|S0", [1 << 24], "C", [0, 0]], b""),
    "many items without size": (["a", "|S0", [1 << 39], "C", [0, 0]], b""),
    "a column without size": (["S", RANGE, None, ["np", "<U0", [1 << 24], "C", [0, 0]], NONE], b""),
}  # fmt: skip


@pytest.mark.parametrize("name", MUCH_OF_LITTLE)
def test_little_text_never_becomes_much_memory(name: str) -> None:
    """What would be written out, or copied, many times over is refused before it is."""
    item, blob = MUCH_OF_LITTLE[name]
    with pytest.raises(WireError):
        decode(item, blob)
    assert memory_for(item, blob) < MOST_MEMORY


def test_an_announced_length_takes_no_memory() -> None:
    """A receiver holds what has arrived, not what was announced."""
    raw, other = socket.socketpair()
    with raw, other:
        channel = Channel(other)
        head = struct.pack("!4sII", b"agw1", 2, channel.bounds.blob_bytes)
        raw.sendall(head + b"{}" + bytes(1_000))
        tracemalloc.start()
        with pytest.raises(WireError):
            channel.receive(seconds=0.05)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4_000_000


def framed(body: dict[str, Any], blob: bytes) -> bytes:
    text = to_json(body).encode()
    return struct.pack("!4sII", b"agw1", len(text), len(blob)) + text + blob


STREAMS = st.lists(
    st.tuples(st.dictionaries(st.text(max_size=3), ITEMS, max_size=3), st.binary(max_size=30)),
    max_size=3,
).map(lambda messages: b"".join(framed(*message) for message in messages))
CUTS = st.lists(
    st.tuples(st.integers(0, 400), st.binary(max_size=6), st.integers(0, 6)), max_size=3
)


@settings(max_examples=200, deadline=None)
@given(STREAMS, CUTS)
@QUIET
def test_a_damaged_stream_ends_in_a_refusal(stream: bytes, cuts: list[Any]) -> None:
    """Bytes put in, taken out or exchanged anywhere: frames, then :class:`WireError`."""
    for place, put, taken in cuts:
        stream = stream[:place] + put + stream[place + taken :]
    raw, other = socket.socketpair()
    with raw, other:
        channel = Channel(other, bounds=BOUNDS)
        sender = threading.Thread(
            target=lambda: (raw.sendall(stream), raw.shutdown(socket.SHUT_WR))
        )
        sender.start()
        with pytest.raises(WireError):  # the stream's end, at the latest
            while True:
                assert type(channel.receive(seconds=60).body) is dict
        sender.join()


class MadeUpRoom:
    """A channel whose other end answers every question with the same made-up body."""

    def __init__(self, body: dict[str, Any], blob: bytes) -> None:
        self.body, self.blob, self.calls = body, blob, 0

    def send(self, body: dict[str, Any], *_: Any, **__: Any) -> None:
        self.asked = body.get("q", "")

    def receive(self, **_: Any) -> Frame:
        self.calls += 1
        body = {key: value for key, value in self.body.items() if key != "c" or self.calls < 4}
        return Frame(parse_body(to_json(body | {"a": self.asked}).encode()), memoryview(self.blob))

    def waiting(self) -> bool:
        return False

    def close(self) -> None:
        pass


NUMBERS = st.integers(-2, 5)
LABELS = st.sampled_from(["builtins", "SystemExit", "KeyboardInterrupt", "int", "os", "system", ""])
ROOM_ITEMS = st.recursive(
    ODD | LABELS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            lambda tag, parts: [tag, *parts],
            TAGS | st.sampled_from(["h", "T", "X", "C", "m", "pk", "o", "g"]),
            st.lists(inner, max_size=6),
        )
        | st.builds(lambda *parts: ["h", *parts], NUMBERS, NUMBERS, LABELS, LABELS | st.none())
        | st.builds(lambda *parts: ["T", *parts], LABELS, LABELS, inner)
        | st.builds(lambda *parts: ["X", *parts], NUMBERS, LABELS, st.lists(inner, max_size=2))
    ),
    max_leaves=10,
)
CONTAINERS = ROOM_ITEMS | st.sampled_from(
    [["l"], ["l", 1, 2], ["l", ["l", 1]], ["d", [], []], ["d", ["a", 2], [1, 2]], ["s", 1]]
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "v": ROOM_ITEMS | st.lists(ROOM_ITEMS, max_size=3),
        "e": st.dictionaries(
            st.sampled_from(["class", "args", "again", "where", "text", "cause", "notes"]),
            ROOM_ITEMS | st.lists(ROOM_ITEMS, max_size=3),
            max_size=4,
        )
        | ROOM_ITEMS,
        "c": NUMBERS,
        "o": LABELS,
        "k": st.lists(ROOM_ITEMS, max_size=2),
        "ch": st.lists(st.tuples(NUMBERS, ROOM_ITEMS), max_size=2) | ROOM_ITEMS,
        "later": st.lists(st.tuples(NUMBERS, CONTAINERS, NUMBERS), max_size=3) | ROOM_ITEMS,
        "cp": st.lists(st.tuples(NUMBERS, *[ROOM_ITEMS] * 3), max_size=2) | ROOM_ITEMS,
        "kp": st.tuples(st.lists(NUMBERS, max_size=2), ROOM_ITEMS) | ROOM_ITEMS,
        "twin": NUMBERS | ROOM_ITEMS,
        "t": ROOM_ITEMS,
        "l": st.lists(st.dictionaries(st.text(max_size=2), ROOM_ITEMS, max_size=3)) | ROOM_ITEMS,
        "lg": st.lists(NUMBERS, max_size=2) | ROOM_ITEMS,
        **dict.fromkeys(("to", "bg", "th", "wd", "lost", "moved", "n"), NUMBERS | ROOM_ITEMS),
        "keep": st.lists(NUMBERS, max_size=3) | ROOM_ITEMS,
        "w": st.lists(st.tuples(ROOM_ITEMS, st.text(max_size=3)), max_size=2) | ROOM_ITEMS,
        "out": st.lists(st.tuples(st.just("stdout"), st.text(max_size=3)), max_size=2) | ROOM_ITEMS,
        "large": ROOM_ITEMS,
    },
)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(BODIES, st.binary(max_size=20))
def test_a_room_that_makes_answers_up_is_believed_or_given_up(
    body: dict[str, Any], blob: bytes
) -> None:
    """An answer is a value, an error of the student's code, or the end of the link."""
    link = ExaminerLink(MadeUpRoom(body, blob))  # type: ignore[arg-type]
    link.bounds = BOUNDS
    for kept in ([1, [2], 3], {"a": 1, "b": [2]}, {1, 2}):
        link.twins.add(kept)
    try:
        with warnings.catch_warnings(record=True):  # it may warn of anything
            link.ask("call", [1, 2], {"a": [3]})
            link.ask("call", [1, 2], {"a": [3]})
    except (StudentRoomGoneError, HandleError):
        pass
    except Exception:
        assert "e" in body, "only an answer that tells an error raises one"


STATES = st.tuples(st.sampled_from(range(8)), ROOM_ITEMS | st.floats() | st.text(max_size=4))


@settings(max_examples=300, deadline=None)
@given(ROOM_ITEMS | st.lists(STATES, max_size=2))
def test_states_of_generators_that_a_room_makes_up_are_taken_or_refused(made_up: Any) -> None:
    """Whatever is in place of a part of them, or of all, the examiner's generators go on."""
    told: Any = made_up
    if type(made_up) is list and all(type(part) is tuple for part in made_up):
        plain, numpys = packed(states())
        parts = [*plain, *numpys]
        for place, instead in made_up:
            parts[place] = instead
        told = [parts[:3], parts[3:]]
    before = states()
    generators = Generators(SimpleNamespace(ask=lambda *_: None))  # type: ignore[arg-type]
    generators.begin("random.seed(3)", active=True)
    try:
        generators.carry()
        generators.fetch({"random": told})
        assert 0 <= random.random() < 1
        assert 0 <= np.random.random() < 1
    except HandleError as error:
        assert "no valid state" in str(error)
    finally:
        set_states(*before)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["\ud800", "stream", "stdout", "text/plain", "application/json"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4) | st.just("a\udfff"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
DEEP = st.integers(1, 300).map(lambda depth: json.loads('{"a":' * depth + "1" + "}" * depth))
BUNDLES = st.dictionaries(
    st.sampled_from(["text/plain", "application/json", "image/png", "", "x\ud800"]), JSON | DEEP
)
OUTPUTS = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | JSON},
    optional={
        **dict.fromkeys(("name", "ename", "evalue", "execution_count", "metadata"), JSON),
        "text": JSON,
        "traceback": JSON | st.lists(st.text(max_size=3) | st.just("\udfff"), max_size=3),
        "data": BUNDLES | JSON,
    },
)
REPORTS = st.fixed_dictionaries(
    {"outputs": st.lists(OUTPUTS | JSON, max_size=4) | JSON},
    optional={
        **dict.fromkeys(("error", "gone", "timeout", "message", "count", "cpu"), JSON),
        **{key: st.lists(JSON, max_size=3) | JSON for key in ("lines", "claims")},
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(REPORTS | JSON)
def test_whatever_a_room_reports_can_be_written_down(report: Any) -> None:
    """Outputs become valid nbformat, and the record and the notebook can be saved and read."""
    room: Any = SimpleNamespace(overtime=False, lost="It is gone.")
    told = clean_report(report, room)
    outputs = clean_outputs(told["outputs"], 10_000)
    cell = nbformat.v4.new_code_cell("1", id="one", execution_count=told["count"])  # type: ignore[no-untyped-call]
    cell["outputs"] = outputs
    notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)  # type: ignore[no-untyped-call]
    assert read_notebook(notebook_bytes(notebook)).cells[0].outputs == outputs
    facts = RunFacts(
        index=0,
        grade_id="q",
        status=told["status"],
        error=told["error"],
        message=told["message"],
        line=told["lines"][0] if told["lines"] else None,
    )
    record = Record(
        key="k",
        engine="rooms",
        isolation="full",
        room="student",
        worth="",
        result=SubmissionResult(
            student="ann",
            status="graded",
            score=0,
            max_score=0,
            needs_human=False,
            problems=tuple(told["claims"]),
        ),
        runs=(facts,),
        notebook=dict(notebook),
    )
    assert Record.model_validate_json(record.model_dump_json().encode("utf-8")) == record
