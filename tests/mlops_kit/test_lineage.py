"""What a result was made of: the table's content, the function's source."""

import functools
from importlib import metadata

import numpy as np
import pandas as pd
import pytest

from mlops_kit.errors import DataError, TrackingError
from mlops_kit.lineage import (
    Environment,
    code_of,
    content_hash,
    environment_now,
    function_from,
    installed_version,
)

GLOBAL = 3


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "real": [0.5, np.nan, -1.0],
            "word": ["a", None, "c"],
            "when": pd.to_datetime(["2025-01-01", "2025-01-02", None]),
            "kind": pd.Categorical(["x", "y", "x"]),
            "true": [True, False, True],
        }
    )


@pytest.mark.parametrize(
    "same",
    [
        lambda t: t[t.columns[::-1]],
        lambda t: t.set_index(pd.Index([9, 8, 7])),
        lambda t: t.astype({"whole": "int32"}),
        lambda t: t.assign(when=t["when"].astype("datetime64[ns]")),
        lambda t: t.assign(kind=t["kind"].astype(object)),
        lambda t: t.copy(),
    ],
)
def test_the_same_content_has_the_same_hash(same) -> None:
    """Column order, index and the width of numbers are no content."""
    assert content_hash(same(table())) == content_hash(table())


@pytest.mark.parametrize(
    "other",
    [
        lambda t: t[::-1],
        lambda t: t.rename(columns={"whole": "entire"}),
        lambda t: t.assign(whole=t["whole"] + np.array([0, 0, 1])),
        lambda t: t.assign(real=t["real"].fillna(0)),
        lambda t: t.assign(word=t["word"].fillna("missing")),
        lambda t: t.assign(when=t["when"] + pd.Timedelta(microseconds=1)),
        lambda t: t.assign(whole=t["whole"].astype(str)),
        lambda t: t.drop(columns="true"),
        lambda t: t.iloc[:2],
    ],
)
def test_other_content_has_another_hash(other) -> None:
    """Values, names, missing values and the order of rows are content."""
    assert content_hash(other(table())) != content_hash(table())


def test_the_hash_stays_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old snapshots are found by it, with a pandas that hides its arrays too."""
    kept = "73bb038badd7326e2d6afbf76b362464b2c6fd523acc071e728e07d4ed1f15dc"
    assert content_hash(table()) == kept
    monkeypatch.delattr(pd.DataFrame, "_iter_column_arrays", raising=False)
    assert content_hash(table()) == kept


def test_times_in_two_zones_are_the_same_moment() -> None:
    """But a time with a zone isn't one without."""
    plain = pd.DataFrame({"t": pd.to_datetime(["2025-01-01 12:00"])})
    utc = plain.assign(t=plain["t"].dt.tz_localize("UTC"))
    assert content_hash(utc) == content_hash(utc.assign(t=utc["t"].dt.tz_convert("Asia/Tokyo")))
    assert content_hash(utc) != content_hash(plain)


def test_what_is_no_table_is_refused() -> None:
    """With what to do about it."""
    with pytest.raises(DataError, match="DataFrame was wanted, got list"):
        content_hash([1, 2])
    with pytest.raises(DataError, match="columns a are there twice"):
        content_hash(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def good(data, *, seed: int, depth: int = 2):
    """Stand alone."""
    import math

    class Inner:
        factor = 2
        twice = factor * 2

    def helper(value):
        return value * depth * Inner.twice

    return {"m": math.sqrt(sum(helper(x) for x in [seed]))}


def test_a_function_comes_back_from_its_source() -> None:
    """With everything that is defined inside it."""
    again = function_from(code_of(good))
    assert again(None, seed=4, depth=3) == good(None, seed=4, depth=3)


def uses_global(data, *, seed):
    return {"m": GLOBAL + len(pd.DataFrame())}


def uses_global_inside(data, *, seed):
    def inner():
        return GLOBAL

    return {"m": inner()}


def with_outside_default(data, *, seed, depth=GLOBAL):
    return {"m": depth}


@functools.cache
def decorated(data, *, seed):
    return {"m": 1.0}


def closing_over():
    secret = 4

    def inner(data, *, seed):
        return {"m": secret}

    return inner


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (uses_global, "GLOBAL, pd from outside"),
        (uses_global_inside, "GLOBAL"),
        (closing_over(), "secret"),
        (with_outside_default, "GLOBAL"),
        (decorated, "function made with def"),
        (lambda data, seed: {"m": 1}, "function made with def"),
        (len, "function made with def"),
    ],
)
def test_a_function_that_needs_more_than_its_source_is_refused(function, said: str) -> None:
    """When it is recorded, not when somebody tries to repeat it."""
    with pytest.raises(TrackingError, match=said):
        code_of(function)


def test_a_changed_source_is_noticed() -> None:
    """The hash covers every character."""
    code = code_of(good)
    changed = type(code)(code.name, code.source.replace("2", "3"), code.hash)
    with pytest.raises(TrackingError, match="changed since"):
        function_from(changed)


def test_a_version_is_what_the_package_tells(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the head of its description alone; a package that isn't there is told."""
    folder = tmp_path / "odd-1.5rc1.dist-info"
    folder.mkdir()
    told = "Metadata-Version: 2.1\nName: odd\nversion:  1.5rc1 \n\nVersion: 9\n"
    (folder / "METADATA").write_text(told, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_version("odd") == "1.5rc1"
    assert installed_version("numpy") == np.__version__
    with pytest.raises(metadata.PackageNotFoundError):
        installed_version("no-such-package")


def test_an_environment_says_what_differs() -> None:
    """By name, then and now; and survives being written."""
    now = environment_now()
    then = Environment("3.10.1", now.platform, {**now.packages, "numpy": "1.0"})
    differences = then.differences(now)
    assert differences == (
        f"python: 3.10.1, now {now.python}",
        f"numpy: 1.0, now {now.packages['numpy']}",
    )
    assert Environment.from_json(then.to_json()) == then
    assert then.hash != now.hash
