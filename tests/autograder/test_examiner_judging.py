"""Which questions an object isn't asked about itself, and how a model's score is worked out."""

from typing import Any

import pandas as pd
import pytest

from autograder.examiner_judging import is_judging
from autograder.examiner_standing_in import Scorer
from autograder.handle_abilities import make_handle
from autograder.handles import Handle, HandleError
from autograder.wire_abilities import CLASS_BIT


class Room:
    """A link to a room that holds one model: predictions and attributes come from a table."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def ask(self, op: str, *args: Any, **names: Any) -> Any:
        self.asked.append((op, *args[1:]))
        if op == "get":
            return self.answers[args[1]]
        return args[0](*args[1:], **names)

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def model(room: Room) -> Any:
    return make_handle(room, 1, 0, "Model", None)  # type: ignore[arg-type]


def test_only_whole_classes_of_libraries_are_asked_how_they_compare() -> None:
    """A frame's subclass isn't asked for a difference, a compiled pattern is for ``sub``."""
    own = make_handle(Room(), 2, CLASS_BIT, "class Own", None)  # type: ignore[arg-type]
    assert is_judging("equals", own)
    assert is_judging("sub", own)
    assert not is_judging("merge", own)
    assert is_judging("merge", pd.DataFrame)
    assert is_judging("difference", set)
    assert not is_judging("sub", type(__import__("re").compile("x")))
    assert issubclass(type(own), Handle)


def test_a_score_is_worked_out_from_predictions() -> None:
    """Accuracy for a classifier, R² for a regressor, whatever the model says of itself."""
    linear = pytest.importorskip("sklearn.linear_model")
    room = Room(predict=lambda rows: [0.0, 0.0, 3.0], score=lambda rows, y: 1.0)
    kinds = list(linear.LinearRegression.__mro__)
    scorer = Scorer(model(room), lambda _: kinds, room.ask)
    assert scorer([[1], [2], [3]], [0.0, 0.0, 3.0]) == 1.0
    assert scorer([[1], [2], [3]], [0.0, 3.0, 0.0]) < 0.0
    room.answers["predict"] = lambda rows: ["a", "b", "b", "b"]
    kinds[:] = linear.LogisticRegression.__mro__
    assert scorer([[1]] * 4, ["a", "a", "b", "b"]) == 0.75
    assert scorer(X=[[1]] * 4, y=["a", "a", "b", "b"], sample_weight=[1, 0, 0, 0]) == 1.0


def test_a_class_of_ones_own_is_not_asked_for_its_score() -> None:
    """The error says what to do instead; without anything to compare with, it is asked."""
    pytest.importorskip("sklearn")
    room = Room(predict=lambda rows: [0], score=lambda rows: 5.0)
    scorer = Scorer(model(room), lambda _: [], room.ask)
    with pytest.raises(HandleError, match="predicts"):
        scorer([[1]], [1])
    assert scorer([[1]]) == 5.0
