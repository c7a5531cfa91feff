"""Rows of a request against a contract: the compiled checks agree with pydantic's."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops_kit.contracts import Column, Contract
from mlops_kit.serve_rows import RejectedRowsError, RowChecker

TRIPS = Contract(
    [
        Column("km", "float", minimum=0, maximum=100),
        Column("wait", "float", nullable=True),
        Column("hour", "int", minimum=0, maximum=23),
        Column("day", "int", allowed=(1, 2, 3)),
        Column("wet", "bool"),
        Column("zone", "str", allowed=("north", "south")),
        Column("note", "str", nullable=True),
        Column("begin", "datetime"),
        Column("end", "datetime", minimum="2025-01-01"),
    ],
    name="trips",
    rules=("begin <= end",),
)
GOOD = {
    "km": 3.5, "wait": None, "hour": 8, "day": 2, "wet": True, "zone": "north", "note": "é",
    "begin": "2025-01-06T08:00:00", "end": "2025-01-06T09:00:00+01:00",
}  # fmt: skip
LOOSE = Contract(TRIPS.columns[:7], name="loose", extra="ignore")

values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 110), st.sampled_from([2**63, -(2**63), 10**400]),
    st.floats(-5, 120), st.sampled_from([math.nan, math.inf, 3.0, 8.0]),
    st.sampled_from(
        ["north", "east", "", "3", "é", "\ud800", "2025-01-06", "2025-01-06T10:00:00Z", "20250106"]
    ),
    st.just([]), st.just({}),
)  # fmt: skip


@st.composite
def rows(draw):
    """A good row with some of its values replaced, taken away or added."""
    row = dict(GOOD)
    for name in draw(st.lists(st.sampled_from([*GOOD, "extra"]), max_size=3)):
        if name in row and draw(st.booleans()):
            del row[name]
        else:
            value = draw(values)
            row[name] = 2 if name == "day" and value is True else value
    return row


def accepted(checker, row):
    try:
        checker.table(checker.rows(row))
    except RejectedRowsError as rejected:
        json.dumps([problem.message for problem in rejected.problems])
        return False
    return True


@pytest.mark.parametrize("contract", [TRIPS, LOOSE], ids=lambda contract: contract.name)
@settings(max_examples=300, deadline=None)
@given(row=rows())
def test_a_row_is_accepted_exactly_when_the_request_model_accepts_it(contract, row):
    """Two independent readings of one contract never disagree."""
    try:
        contract.request_model().model_validate(row)
        wanted = True
    except ValidationError:
        wanted = False
    assert accepted(RowChecker(contract), row) is wanted


@settings(max_examples=150, deadline=None)
@given(row=rows(), width=st.integers(1, 3))
def test_the_quick_way_accepts_nothing_that_the_careful_way_refuses(row, width):
    """And both give the same columns."""
    checker = RowChecker(LOOSE)
    batch = [*[{k: v for k, v in GOOD.items() if k in LOOSE.names}] * (width - 1), row]
    quick = checker._quick_columns(batch)
    if quick is not None:
        assert quick == checker._careful_columns(batch)


@pytest.mark.parametrize(
    ("change", "column", "rule"),
    [
        ({"km": -0.1}, "km", "minimum"),
        ({"km": 100.5}, "km", "maximum"),
        ({"km": "3.5"}, "km", "type"),
        ({"km": None}, "km", "null"),
        ({"hour": True}, "hour", "type"),
        ({"zone": "moon"}, "zone", "allowed"),
        ({"lat": 1.0}, "lat", "unknown"),
        ({"end": "2025-01-06T07:00:00"}, "begin", "begin <= end"),
    ],
)
def test_a_problem_names_row_column_and_rule(change, column, rule):
    """The second row is wrong, so the second row is named."""
    checker = RowChecker(TRIPS)
    with pytest.raises(RejectedRowsError) as caught:
        checker.table(checker.rows({"rows": [GOOD, GOOD | change]}))
    (problem,) = caught.value.problems
    assert (problem.row, problem.column, problem.rule) == (1, column, rule)
    assert "row 1" in problem.message and column in problem.message


def test_every_problem_is_counted_and_the_first_are_named():
    """A thousand bad rows make a short answer."""
    checker = RowChecker(TRIPS)
    with pytest.raises(RejectedRowsError) as caught:
        checker.table([{}] * 1000)
    assert caught.value.total == 1000 * 7
    assert len(caught.value.problems) == 20


def test_columns_come_in_any_order_and_leave_in_the_models():
    """A matrix has the model's order of features, whatever the request's."""
    contract = Contract([Column("a", "float"), Column("b", "int"), Column("c", "bool")])
    checker = RowChecker(contract, features=("c", "a"), matrix=True)
    table = checker.table(checker.rows({"b": 7, "c": True, "a": 2}))
    assert np.array_equal(table, [[1.0, 2.0]])


def test_missing_values_are_what_each_kind_has_for_them():
    """NaN for numbers, None for texts and truths, NaT for times."""
    kinds = ("float", "int", "bool", "str", "datetime")
    contract = Contract([Column(kind, kind, nullable=True) for kind in kinds])
    checker = RowChecker(contract)
    table = checker.table([{}])
    assert np.isnan(table["float"][0]) and np.isnan(table["int"][0])
    assert table["bool"][0] is None and table["str"][0] is None
    assert np.isnat(table["datetime"][0])


def test_a_contract_may_have_a_column_called_rows():
    """Then an object is a row, whatever it holds."""
    checker = RowChecker(Contract([Column("rows", "int")]))
    assert checker.table(checker.rows({"rows": 3}))["rows"].tolist() == [3]
