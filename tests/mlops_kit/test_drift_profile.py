"""Profiles and summaries: small, mergeable, versioned."""

import json

import numpy as np
import pandas as pd
import pytest

from mlops_kit import drift
from mlops_kit.errors import DataError
from mlops_kit.tables import read_table

RNG = np.random.default_rng(11)


def table(rows=3000, shift=0.0):
    seconds = RNG.integers(0, 20 * 86_400, rows)
    return pd.DataFrame(
        {
            "time": pd.Timestamp("2026-01-05") + pd.to_timedelta(seconds, "s"),
            "size": RNG.normal(shift, 1, rows),
            "count": RNG.poisson(4, rows),
            "zone": RNG.choice(["north", "south", "west"], rows),
            "open": RNG.random(rows) < 0.3,
        }
    )


@pytest.fixture(scope="module")
def reference():
    return drift.profile(table(), time="time", season=("weekend",), slices=("zone",))


def same(one, other):
    for name, counts in one.columns.items():
        theirs = other.columns[name]
        assert all((counts.cells[k] == theirs.cells[k]).all() for k in counts.cells)
        assert all((counts.missing[k] == theirs.missing[k]).all() for k in counts.missing)
        assert (counts.n, counts.low, counts.high) == pytest.approx(
            (theirs.n, theirs.low, theirs.high), nan_ok=True
        )
        assert counts.mean == pytest.approx(theirs.mean)
        assert counts.deviation == pytest.approx(theirs.deviation, nan_ok=True)


def test_summaries_of_parts_add_up_to_the_summary_of_the_whole(reference):
    """Split anywhere, in any order."""
    frame = table(1000, 0.3)
    frame.loc[:50, "size"] = np.nan
    parts = [frame.iloc[600:], frame.iloc[:20], frame.iloc[20:600]]
    total = reference.summarise(parts[0])
    for part in parts[1:]:
        total = total + reference.summarise(part)
    assert total.rows == 1000
    same(total, reference.summarise(frame))


def test_moments_are_those_of_numpy(reference):
    """Mean and deviation, with digits kept far from 0."""
    values = 1e8 + RNG.normal(size=50_000)
    found = drift.profile(pd.DataFrame({"x": values})).counts["x"]
    assert found.mean == pytest.approx(values.mean(), rel=1e-14)
    assert found.deviation == pytest.approx(values.std(), rel=1e-6)


def test_the_order_of_columns_and_the_index_mean_nothing(reference):
    """Reordered columns and other labels give the same summary."""
    frame = table(500)
    turned = frame[frame.columns[::-1]].set_index(np.arange(500) * 7)
    same(reference.summarise(frame), reference.summarise(turned))


def test_a_saved_profile_comes_back_as_it_was(reference, tmp_path):
    """Same bytes when saved again, same verdicts."""
    path = tmp_path / "reference.json"
    reference.save(path)
    again = drift.load(path)
    assert again.fingerprint == reference.fingerprint
    assert again.to_dict() == json.loads(path.read_text())
    frame = table(800, 0.5)
    assert drift.compare(again, frame).to_dict() == drift.compare(reference, frame).to_dict()


def test_a_profile_is_small(tmp_path):
    """A hundred thousand rows of ten columns take under 60 kB."""
    frame = pd.DataFrame(RNG.normal(size=(100_000, 10)), columns=[f"x{n}" for n in range(10)])
    drift.profile(frame).save(tmp_path / "reference.json")
    assert (tmp_path / "reference.json").stat().st_size < 60_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 0}, "version 0.*Make the profile anew"),
        ({"version": 99}, "version 99"),
        ({"format": "other"}, "isn't a reference profile"),
        ({"columns": [{}]}, "damaged"),
        ({"columns": None}, "damaged"),
        ({"rows": "many"}, "damaged"),
    ],
)
def test_another_version_or_a_damaged_profile_is_refused(reference, tmp_path, change, said):
    """The message says what it is and what to do."""
    path = tmp_path / "reference.json"
    path.write_text(json.dumps({**reference.to_dict(), **change}))
    with pytest.raises(DataError, match=said):
        drift.load(path)


def test_a_missing_or_torn_file_is_refused(reference, tmp_path):
    """No traceback of the parser."""
    path = tmp_path / "reference.json"
    with pytest.raises(DataError, match="there is no reference profile"):
        drift.load(path)
    reference.save(path)
    path.write_text(path.read_text()[:500])
    with pytest.raises(DataError, match="isn't JSON"):
        drift.load(path)


def test_extending_a_reference_is_exact(reference):
    """A profile extended by a batch counts the rows of both."""
    batch = table(700)
    longer = reference.extend(reference.summarise(batch))
    assert longer.rows == 3700
    assert longer.counts["size"].mean == pytest.approx(
        (3000 * reference.counts["size"].mean + 700 * batch["size"].mean()) / 3700
    )
    with pytest.raises(DataError, match="lacks columns"):
        reference.extend(reference.summarise(batch.drop(columns="zone")))


def test_profiles_made_apart_add_up_within_their_stated_error():
    """The cumulative shares of the sum differ from the truth by at most the rank error."""
    one, other = table(4000), table(2000, 1.0)
    other["zone"] = other["zone"].replace("west", "harbour")
    merged = drift.profile(one, slices=("zone",)) + drift.profile(other, slices=("zone",))
    assert merged.rows == 6000
    values = np.sort(np.concatenate([one["size"], other["size"]]))
    layout, cells = merged.layouts["size"], merged.counts["size"].cells["all"][0]
    truth = np.searchsorted(values, layout.edges, side="right") / 6000
    gap = np.abs(np.cumsum(cells)[:-1] / 6000 - truth).max()
    assert 0 < gap <= merged.rank_error["size"] < 0.02
    zones = pd.concat([one, other])["zone"].value_counts()
    here = merged.counts["zone"].cells["all"][0]
    for name, rows in zip(merged.layouts["zone"].categories, here, strict=False):
        assert rows == zones[name]
    slices = merged.counts["size"].cells["zone"].sum(axis=1)
    assert slices.tolist() == [zones[name] for name in merged.layouts["zone"].categories]


def test_profiles_that_differ_in_kind_dont_add_up():
    """The message names the column."""
    frame = table(100)
    with pytest.raises(DataError, match="differ in zone"):
        drift.profile(frame) + drift.profile(frame.drop(columns="zone"))
    with pytest.raises(DataError, match="differ in slices"):
        drift.profile(frame) + drift.profile(frame, slices=("zone",))


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (pd.DataFrame(), {}, "rows and columns"),
        (pd.DataFrame({"x": []}), {}, "rows and columns"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), {}, "occurs twice"),
        (np.zeros((3, 2)), {}, "got ndarray"),
        (pd.DataFrame({"x": [1]}), {"slices": ("y",)}, "no column 'y'"),
        (pd.DataFrame({"x": [1]}), {"season": ("month",)}, "needs time"),
        (pd.DataFrame({"x": [1]}), {"time": "x", "season": "month"}, "sequence"),
        (pd.DataFrame({"x": [1]}), {"time": "x", "season": ("moon",)}, "no part 'moon'"),
        (pd.DataFrame({"x": [1]}), {"kinds": {"x": "text"}}, "must be 'number'"),
        (pd.DataFrame({"x": ["never"]}), {"time": "x"}, "holds no times"),
    ],
)
def test_a_reference_that_makes_no_sense_is_refused(frame, options, said):
    """Each with what was found."""
    with pytest.raises(DataError, match=said):
        drift.profile(frame, **options)


def test_summaries_of_other_profiles_dont_mix(reference):
    """Neither in a sum nor in a comparison."""
    other = drift.profile(table(50)).summarise(table(50))
    with pytest.raises(DataError, match="different profiles"):
        reference.summarise(table(50)) + other
    with pytest.raises(DataError, match="made with this profile"):
        drift.compare(reference, other)


def test_types_that_files_bring_are_read(reference):
    """Nullable, text and categorical columns count like plain ones."""
    frame = table(400)
    dressed = frame.assign(
        size=frame["size"].astype("Float64"),
        count=frame["count"].astype("Int64"),
        zone=frame["zone"].astype("category"),
        time=frame["time"].dt.tz_localize("UTC").map(lambda stamp: stamp.isoformat()),
    )
    same(reference.summarise(frame), reference.summarise(dressed))


def test_identifiers_are_left_out_unless_asked_for():
    """New rows always have new ones; a rising measurement is no identifier."""
    frame = pd.DataFrame(
        {
            "trip_id": range(200),
            "token": [f"t{number:03d}" for number in range(200)],
            "level": range(200),
            "city": ["a", "b"] * 100,
        }
    )
    assert list(drift.profile(frame).layouts) == ["level", "city"]
    assert "token" in drift.profile(frame, kinds={"token": "category"}).layouts
    found = drift.compare(drift.profile(frame), frame.assign(trip_id=frame["trip_id"] + 200))
    assert found.ok


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_keeps_every_digit_on_its_way(tmp_path, suffix):
    """Read as it was written, to the last digit."""
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=2000)})
    path = tmp_path / f"rows{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    pd.testing.assert_frame_equal(read_table(path), frame, check_exact=True)
    path.write_bytes(b"\xff\x00")
    with pytest.raises(DataError, match="can't be read"):
        read_table(path)
