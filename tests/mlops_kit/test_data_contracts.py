"""Contracts: one declaration, checked on tables and on requests, with every broken rule named."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_kit import worlds
from mlops_kit.data import Column, Contract
from mlops_kit.errors import DataError

TRIPS = Contract(
    [
        Column("zone", "str", allowed=("zone-01", "zone-02")),
        Column("distance km", "float", minimum=0, maximum=100, unit="km"),
        Column("riders", "int", minimum=1, maximum=4),
        Column("rain", "bool", nullable=True),
        Column("phone", "str", nullable=True, personal=True),
        Column("pickup", "datetime", minimum="2025-01-01"),
        Column("end", "datetime", nullable=True),
    ],
    name="trips",
    rules=("pickup <= end",),
)


def rows(count: int = 4, **changed: object) -> pd.DataFrame:
    """Make rows that keep the contract, but for what is changed."""
    start = pd.date_range("2025-01-06", periods=count, freq="h")
    kept = {
        "zone": ["zone-01", "zone-02"] * (count // 2),
        "distance km": np.linspace(0, 100, count),
        "riders": [1, 2, 3, 4] * (count // 4),
        "rain": [True, False, None, True] * (count // 4),
        "phone": ["0151"] * count,
        "pickup": start,
        "end": start + pd.Timedelta("10min"),
    }
    return pd.DataFrame({**kept, **changed})


def broken(frame: pd.DataFrame, contract: Contract = TRIPS) -> dict[tuple[str, str], int]:
    """Map each broken rule to its count."""
    return {(v.column, v.rule): v.count for v in contract.check(frame).violations}


def test_a_clean_table_keeps_the_contract() -> None:
    """In any order of columns, with any index; the table is left as it is."""
    frame = rows().set_index(pd.Index([7, 7, 7, 7]))[list(TRIPS.names)[::-1]]
    before = frame.copy()
    report = TRIPS.check(frame)
    assert report.ok, report
    assert str(report) == "trips: the contract is kept in 4 rows"
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"zone": ["moon", "zone-01", None, 3]}, {
            ("zone", "isn't missing"): 1, ("zone", "is text"): 1,
            ("zone", "is one of 'zone-01', 'zone-02'"): 1,
        }),
        ({"distance km": [-1, 101, math.inf, math.nan]}, {
            ("distance km", "isn't missing"): 1, ("distance km", "is a finite number"): 1,
            ("distance km", "is at least 0"): 1, ("distance km", "is at most 100"): 1,
        }),
        ({"distance km": ["1", "2", "3", "4"]}, {("distance km", "is a finite number"): 4}),
        ({"distance km": [True] * 4}, {("distance km", "is a finite number"): 4}),
        ({"distance km": [[1.0], 2.0, {"a": 1}, 10**400]}, {
            ("distance km", "is a finite number"): 3,
        }),
        ({"riders": [1.0, 2.0, 3.5, 9.0]}, {
            ("riders", "is a whole number"): 1, ("riders", "is at most 4"): 1,
        }),
        ({"riders": [10**30, 1, 1, 1]}, {("riders", "is a whole number"): 1}),
        ({"rain": [1, 0, 1, 0]}, {("rain", "is true or false"): 4}),
        ({"rain": [None] * 4}, {}),
        ({"phone": [None] * 4}, {}),
        ({"phone": ["\ud800", "0151", None, 3]}, {("phone", "is text"): 2}),
        ({"phone": ["\ud800", "0151", None, "3"]}, {("phone", "is text"): 1}),
        ({"pickup": ["2025-01-06"] * 4}, {("pickup", "is a time"): 4}),
        ({"pickup": pd.to_datetime(["2024-12-31"] * 4)}, {
            ("pickup", "is at least 2025-01-01 00:00:00"): 4,
        }),
        ({"end": pd.to_datetime(["2025-01-05", None, None, None])}, {("", "pickup <= end"): 1}),
        ({"end": ["late"] * 4}, {("end", "is a time"): 4}),
    ],
)  # fmt: skip
def test_every_broken_rule_is_reported_with_its_count(changed, wanted: dict) -> None:
    """All of them at once, not the first; a value of the wrong kind isn't judged further."""
    columns = {k: pd.Series(v, dtype=object) if isinstance(v, list) else v
               for k, v in changed.items()}  # fmt: skip
    assert broken(rows(**columns)) == wanted


def test_counts_agree_with_plain_pandas_on_many_rows() -> None:
    """On a thousand rows with faults at random."""
    rng = np.random.default_rng(5)
    values = rng.normal(50, 40, 1000)
    values[rng.random(1000) < 0.1] = np.nan
    frame = rows(1000, **{"distance km": values})
    assert broken(frame) == {
        ("distance km", "isn't missing"): int(pd.isna(values).sum()),
        ("distance km", "is at least 0"): int((values < 0).sum()),
        ("distance km", "is at most 100"): int((values > 100).sum()),
    }
    shown = {v.rule: v.rows for v in TRIPS.check(frame, examples=3).violations}
    assert shown["is at least 0"] == tuple(np.flatnonzero(values < 0)[:3])


@pytest.mark.parametrize("kind", ["category", "string", "object"])
def test_text_of_every_dtype_is_text(kind: str) -> None:
    """Categories stand for their values."""
    frame = rows()
    frame["zone"] = frame["zone"].astype(kind)
    assert TRIPS.check(frame).ok
    frame["zone"] = pd.Series(["moon"] * 4).astype(kind)
    assert list(broken(frame)) == [("zone", "is one of 'zone-01', 'zone-02'")]


def test_nullable_dtypes_are_what_they_hold() -> None:
    """Pandas' own missing value is missing."""
    frame = rows(rain=pd.array([True, None, False, None], dtype="boolean"))
    frame["riders"] = pd.array([1, None, 7, 2], dtype="Int64")
    assert broken(frame) == {("riders", "isn't missing"): 1, ("riders", "is at most 4"): 1}


def test_times_with_an_offset_are_compared_as_utc() -> None:
    """00:30 in Berlin on the first day is still the year before."""
    pickup = pd.Series(pd.to_datetime(["2025-01-01T00:30"] * 4)).dt.tz_localize("Europe/Berlin")
    assert list(broken(rows(pickup=pickup))) == [("pickup", "is at least 2025-01-01 00:00:00")]
    assert TRIPS.check(rows(pickup=pickup + pd.Timedelta("1h"))).ok


def test_missing_renamed_and_unknown_columns_are_named() -> None:
    """With the likely new name; and unknown ones may be allowed."""
    frame = rows().rename(columns={"distance km": "Distance_km", "riders": "q"})
    report = TRIPS.check(frame)
    said = {(v.column, v.rule): v.note for v in report.violations}
    assert said["distance km", "is there"] == "'Distance_km' may be the same under another name"
    assert said["riders", "is there"] == ""
    assert ("Distance_km", "is declared") in said
    loose = Contract(TRIPS.columns, extra="ignore")
    assert set(broken(frame, loose)) == {("distance km", "is there"), ("riders", "is there")}


def test_a_name_that_is_there_twice_is_reported() -> None:
    """Rather than checked by luck."""
    frame = pd.concat([rows(), rows()[["riders"]]], axis=1)
    assert list(broken(frame)) == [("riders", "is there once")]


def test_an_empty_table_has_too_few_rows() -> None:
    """And no column is blamed for it; nothing at all has every column missing."""
    assert list(broken(rows().iloc[:0])) == [("", "the table has at least 1 rows")]
    assert TRIPS.check(pd.DataFrame()).violations[1].rule == "is there"
    allowed = Contract(TRIPS.columns, min_rows=0)
    assert allowed.check(rows().iloc[:0]).ok


def test_rows_must_differ_in_the_unique_columns() -> None:
    """Each row that is there again is counted, the first too."""
    contract = Contract([Column("a", "int"), Column("b", "int")], unique=("a", "b"))
    frame = pd.DataFrame({"a": [1, 1, 1, 2], "b": [1, 2, 1, 1]})
    (violation,) = contract.check(frame).violations
    assert violation.rule == "a and b are different in each"
    assert (violation.count, violation.rows, violation.values) == (2, (0, 2), ("1, 1", "1, 1"))


def test_personal_values_are_never_shown() -> None:
    """Neither in the text nor in the JSON of the report."""
    frame = rows(phone=pd.Series([4915112345678] * 4, dtype=object))
    report = TRIPS.check(frame)
    text = str(report) + json.dumps(report.to_dict())
    assert "is text" in text
    assert "49151" not in text


def test_a_broken_contract_can_be_raised() -> None:
    """With the whole report as the message."""
    TRIPS.check(rows()).require()
    with pytest.raises(DataError, match=r"(?s)1 rule broken.*riders: is at least 1"):
        TRIPS.check(rows(riders=[0, 1, 1, 1])).require()
    with pytest.raises(DataError, match=r"a pandas\.DataFrame was wanted, got list"):
        TRIPS.check([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Column("a", "number"), "there is no dtype 'number'"),
        (lambda: Column("", "int"), "name must be text"),
        (lambda: Column("a", "int", minimum=2, maximum=1), "above the maximum"),
        (lambda: Column("a", "str", minimum=2), "a str can't have the minimum 2"),
        (lambda: Column("a", "float", maximum=math.nan), "can't have the maximum nan"),
        (lambda: Column("a", "int", allowed=(True,)), r"can't have the allowed values \[True\]"),
        (lambda: Column("a", "int", allowed=()), "can't have the allowed values"),
        (lambda: Column("a", "int", allowed=(1,), minimum=0), "allowed values and a range"),
        (lambda: Column("a", "datetime", minimum="soon"), "isn't a time"),
        (lambda: Contract([]), "at least one"),
        (lambda: Contract([Column("a", "int")] * 2), "declares a twice"),
        (lambda: Contract([Column("a", "int")], extra="yes"), "forbid or ignore"),
        (lambda: Contract([Column("a", "int")], unique="a"), "unique must be a list"),
        (lambda: Contract([Column("a", "int")], unique=("b",)), "'b', which isn't a column"),
        (lambda: Contract([Column("a", "int")], rules=("a <= 3",)), "must name two columns"),
        (lambda: Contract([Column("a", "int")], rules=("a",)), "compares nothing"),
        (lambda: Contract([Column("a", "int"), Column("b", "str")], rules=("a<b",)), "int with"),
        (lambda: Contract([Column("a", "int")], min_rows=-1), "min_rows must be 0 or more"),
        (lambda: Contract.from_dict({"name": "x"}), "a list of columns"),
        (lambda: Contract.from_dict({"columns": [{"name": "a"}]}), "can't be read.*dtype"),
        (lambda: Contract.from_dict({"columns": [], "colour": 1}), "can't be read.*colour"),
        (lambda: TRIPS.without("label"), "no column 'label'"),
        (lambda: Contract.infer(pd.DataFrame()), "with rows and columns"),
        (lambda: Contract.infer(pd.DataFrame({"a": [[1]]})), "column 'a' holds mixed values"),
        (lambda: Contract.infer(pd.DataFrame({"a": [math.inf]})), "holds infinite values"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(make, said: str) -> None:
    """With what is wrong in one sentence."""
    with pytest.raises(DataError, match=f"(?s){said}"):
        make()


def test_a_contract_survives_json() -> None:
    """And what comes back is equal."""
    assert Contract.from_dict(json.loads(json.dumps(TRIPS.to_dict()))) == TRIPS


def test_leaving_the_label_out_leaves_its_rules_out() -> None:
    """The rest is as it was."""
    features = TRIPS.without("end")
    assert features.names == TRIPS.names[:-1]
    assert features.rules == ()
    assert TRIPS.without("rain").rules == TRIPS.rules
    assert TRIPS.personal == ("phone",)
    assert TRIPS["riders"].maximum == 4


def test_a_drafted_contract_holds_for_its_table_and_for_the_next_days() -> None:
    """But not for other units or new zones; and no personal value is in it."""
    trips = worlds.rides_trips(days=7, events=())
    contract = Contract.infer(trips, name="trips", personal=["zone"])
    assert contract.check(trips).ok
    later = worlds.rides_trips(days=7, first_day=7, events=())
    assert contract.check(later).ok
    metres = later.assign(distance_km=later["distance_km"] * 1000)
    assert [v.column for v in contract.check(metres).violations] == ["distance_km"]
    assert "zone-01" not in json.dumps(contract.to_dict())
    assert "zone-01" in Contract.infer(trips)["zone"].allowed


def test_a_draft_keeps_whole_numbers_exact() -> None:
    """Beyond what a float can count, and doesn't cross 0."""
    big = 2**60 + 1
    column = Contract.infer(pd.DataFrame({"a": [big, big]}))["a"]
    assert (column.minimum, column.maximum) == (big, big)
    column = Contract.infer(pd.DataFrame({"a": [1, 9]}), margin=1.0)["a"]
    assert (column.minimum, column.maximum) == (0, 17)
    column = Contract.infer(pd.DataFrame({"a": [-9.0, -1.0]}), margin=1.0)["a"]
    assert (column.minimum, column.maximum) == (-17, 0)


def request(**changed: object) -> dict[str, object]:
    kept = {
        "zone": "zone-01", "distance km": 3.5, "riders": 2, "pickup": "2025-01-06T08:00:00",
    }  # fmt: skip
    return {**kept, **changed}


def test_a_request_is_read_under_the_columns_own_names() -> None:
    """A nullable column may be left out; a whole float is a whole number; offsets become UTC."""
    model = TRIPS.request_model()
    row = model(**request(riders=2.0, pickup="2025-01-06T08:00:00+02:00"))
    assert row.model_dump() == {
        "zone": "zone-01", "distance km": 3.5, "riders": 2, "rain": None, "phone": None,
        "pickup": datetime(2025, 1, 6, 6), "end": None,
    }  # fmt: skip
    assert type(row.model_dump()["riders"]) is int
    assert TRIPS.request_model() is Contract.from_dict(TRIPS.to_dict()).request_model()


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"zone": "moon"}, ("zone",)),
        ({"distance km": "3"}, ("distance km",)),
        ({"distance km": True}, ("distance km",)),
        ({"distance km": math.nan}, ("distance km",)),
        ({"distance km": -0.1}, ("distance km",)),
        ({"distance km": 10**400}, ("distance km",)),
        ({"distance km": None}, ("distance km",)),
        ({"riders": 2.5}, ("riders",)),
        ({"riders": True}, ("riders",)),
        ({"riders": "2"}, ("riders",)),
        ({"riders": 5}, ("riders",)),
        ({"rain": 1}, ("rain",)),
        ({"phone": 49}, ("phone",)),
        ({"phone": "\ud800"}, ("phone",)),
        ({"pickup": 1736150400}, ("pickup",)),
        ({"pickup": "1736150400"}, ("pickup",)),
        ({"pickup": "2024-12-31T23:59:59"}, ("pickup",)),
        ({"pickup": "2025-01-01T00:30:00+01:00"}, ("pickup",)),
        ({"end": "2025-01-06T07:00:00"}, ()),
        ({"colour": "red"}, ("colour",)),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused(changed, place: tuple) -> None:
    """One error, at the column's own name."""
    with pytest.raises(pydantic.ValidationError) as refused:
        TRIPS.request_model()(**request(**changed))
    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_names_that_pydantic_wants_for_itself_work() -> None:
    """As do names that are no Python identifiers."""
    names = ("copy", "model_config", "_x", "class", "petal length (cm)", "column_0", "schema")
    model = Contract([Column(name, "int") for name in names]).request_model()
    row = dict.fromkeys(names, 3)
    assert model(**row).model_dump() == row


def test_the_request_schema_tells_the_contract() -> None:
    """Ranges, values, units, what is personal and an example that is valid."""
    schema = TRIPS.request_model().model_json_schema()
    fields = schema["properties"]
    assert (fields["distance km"]["minimum"], fields["distance km"]["maximum"]) == (0, 100)
    assert (fields["riders"]["minimum"], fields["riders"]["maximum"]) == (1, 4)
    assert fields["zone"]["enum"] == ["zone-01", "zone-02"]
    assert fields["distance km"]["description"] == "in km"
    assert fields["phone"]["x-personal"] is True
    assert set(schema["required"]) == {"zone", "distance km", "riders", "pickup"}
    (example,) = schema["examples"]
    TRIPS.request_model()(**example)
    json.dumps(schema)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 6), st.integers(), st.floats(-5, 120),
    st.floats(), st.sampled_from(["zone-01", "zone-02", "moon", "3", ""]),
    st.datetimes(datetime(2024, 12, 30), datetime(2025, 1, 4)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(TRIPS.names, VALUES)))
def test_tables_and_requests_are_judged_alike(row: dict[str, object]) -> None:
    """Any single row keeps the contract as a table exactly if it does as a request."""
    missing = {name for name, value in row.items() if isinstance(value, float) and value != value}
    row = {name: None if name in missing else value for name, value in row.items()}
    frame = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in row.items()})
    report = TRIPS.check(frame)
    try:
        TRIPS.request_model()(**row)
    except pydantic.ValidationError as error:
        assert not report.ok, (row, error)
    else:
        assert report.ok, (row, str(report))


def test_a_pandera_schema_is_there_for_other_tools() -> None:
    """It accepts and refuses what the contract does."""
    import pandera.errors

    schema = TRIPS.schema()
    schema.validate(rows())
    with pytest.raises(pandera.errors.SchemaError):
        schema.validate(rows(riders=[9, 1, 1, 1]))


def test_utc_is_utc() -> None:
    """A limit with an offset is kept as UTC."""
    column = Column("t", "datetime", minimum=datetime(2025, 1, 1, tzinfo=UTC))
    assert column.minimum == Column("t", "datetime", minimum="2025-01-01T01:00+01:00").minimum


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("x", "int", allowed=(0, 1)), True),
        (Column("x", "int"), False),
        (Column("x", "bool", allowed=(True,)), 1),
        (Column("x", "bool", allowed=(True,)), 1.0),
        (Column("x", "bool"), 1),
        (Column("x", "float"), True),
    ],
)
def test_truth_and_numbers_are_told_apart_by_table_and_request(column: Column, value) -> None:
    """True equals 1 in Python, and isn't a 1 of the contract."""
    contract = Contract([column])
    assert not contract.check(pd.DataFrame({"x": [value]}, dtype=object)).ok
    with pytest.raises(pydantic.ValidationError):
        contract.request_model()(x=value)
