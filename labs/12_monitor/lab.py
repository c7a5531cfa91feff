# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # The year that nobody watched
#
# A ride-hailing company has a model that says how likely a rider is to cancel. It is served, its requests are logged, and last spring somebody put an alarm on the log: *page the person on call when a column's distribution differs from last year's, p < 0.05*.
#
# In the first month the alarm paged on nearly every day. In the second it was switched off. In the autumn the distances arrived in miles instead of kilometres, for two weeks, and nobody saw it.
#
# By the end of this lab you will have what the company lacked: a **detector** that has been through a year whose events are known, and the **bill** that shows what it is worth.
#
# | part | you build | which answers | minutes |
# |---|---|---|---|
# | 1 | a distance, a pager that keeps its word | why did it page every day? | 20 |
# | 2 | what is usual on such a day, a limit | is summer drift? | 20 |
# | 3 | a check for broken data | did the world move, or the data? | 15 |
# | 4 | the detector | what happened, since when, in which column? | 20 |
# | 5 | a verdict on the model from late labels, a figure | do we have to train again? | 15 |
#
# **How to work.** Replace `raise NotImplementedError()` in the answer cells. The cells below each answer test it; run them as often as you like. Part of the points is given by tests that you don't see: they ask for what the text asks for, in other years. Nothing here needs a network; the notebook writes no files. A grader takes text on stderr for a failure: write to a log with `logging` as much as you like (here it goes nowhere), and don't print tracebacks.

# %% nbgrader={"schema_version": 3, "grade_id": "imports", "grade": false, "solution": false, "locked": true, "task": false}
import logging
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mlops_kit import drift, drift_contest, worlds

# A grader takes text on stderr for a failure; a package's advice and your log aren't one.
warnings.simplefilter("ignore")
logging.basicConfig(handlers=[logging.NullHandler()])

# %% tags=["parameters"] nbgrader={"schema_version": 3, "grade_id": "parameters", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 12  # which city you get
TRIPS = 150  # trips a day, on average

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 1 · The pager that cried wolf
#
# Here are two years of trips. In the first, `history`, nothing special happened. In the second, `year`, things did, and because this city is simulated we know which and when: `events` maps each to its first and last day. Days are numbered from 0, a Monday, to 363; both years have 52 whole weeks. `watch`, the detector of Part 4, will see both years and not the events.

# %% nbgrader={"schema_version": 3, "grade_id": "given_years", "grade": false, "solution": false, "locked": true, "task": false}
NUMBERS = ["distance_km", "duration_min", "wait_min", "temperature_c", "surge", "fare"]
NAMES = ["zone", "raining"]
COLUMNS = NUMBERS + NAMES
DAYS = 364

# Forty cities: in the eight left out, weather hides the beginning of an event from most detectors.
CITIES = [city for city in range(48) if city not in (14, 18, 21, 22, 26, 31, 39, 43)]
CITY = CITIES[SEED % len(CITIES)]

city = drift_contest.rides_year(CITY, trips_per_day=TRIPS)
history = city.reference[["pickup_time", *COLUMNS]]
year = city.watched[["pickup_time", *COLUMNS]]
events = city.events

print(f"{len(history):,} trips in the first year, {len(year):,} in the second")
print(history.head(3).to_string())
print(pd.DataFrame(events, index=["first day", "last day"]).T.to_string())

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "counts_text", "grade": false, "solution": false, "locked": true, "task": false}
# A monitor can't keep every row. It **counts**: the cells are fixed once from the history (twenty quantiles for a number, the known names for a category, one more cell for unknown names), and each day becomes one line of counts. Counts of two days add up to the counts of both together, wherever they were made; rows don't.


# %% nbgrader={"schema_version": 3, "grade_id": "given_counts", "grade": false, "solution": false, "locked": true, "task": false}
def day_numbers(frame):
    """Give each trip's day, from 0 for the day of the first trip."""
    time = frame["pickup_time"]
    return ((time - time.min().normalize()) // pd.Timedelta(days=1)).to_numpy()


def count_cells(frame, column, history):
    """Count a column by day: an array of shape (364, cells); missing values aren't counted.

    A number's cells lie between twenty quantiles of the history, in ascending order. A category's
    are the history's names, and one more at the end for all others.
    """
    if column in NUMBERS:
        borders = np.quantile(history[column], np.arange(1, 20) / 20)
        cell, cells = np.searchsorted(borders, frame[column].to_numpy(dtype=float)), 20
    else:
        names = sorted(history[column].unique())
        cell = pd.Index(names).get_indexer(frame[column])
        cell[cell < 0] = len(names)
        cells = len(names) + 1
    known = frame[column].notna().to_numpy()
    place = day_numbers(frame)[known] * cells + cell[known]
    return np.bincount(place, minlength=DAYS * cells).reshape(DAYS, cells)


fares = count_cells(year, "fare", history)
print("fares on day 0, by cell:", fares[0].tolist())

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 1 · How far has it moved?
#
# Write `distance(was, now, ordered)`. `was` and `now` are counts of the same cells in two samples (lists or arrays; the samples may have different sizes). Give one number from 0 to 1, a **share of rows**:
#
# - where `ordered` is true (a number's cells, ascending): the **Kolmogorov–Smirnov** distance, the largest difference between the two cumulative shares at any border;
# - otherwise (categories): the **total variation**, the share of rows that would have to change their cell for both samples to agree. It is half of the sum of the absolute differences of the shares;
# - 0.0 where one of the samples has no rows at all: nothing can be said of it, and another check will (Question 5).
#
# Write your own: the kit's `drift.kolmogorov_smirnov` and `drift.total_variation` answer the same question, and you may rely on them from Question 2 on.


# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def distance(was, now, ordered):
    """Give the share of rows that moved between two samples, from counts of the same cells."""
    ### BEGIN SOLUTION
    was, now = np.asarray(was, dtype=float), np.asarray(now, dtype=float)
    if was.sum() == 0 or now.sum() == 0:
        return 0.0
    difference = now / now.sum() - was / was.sum()
    if ordered:
        return float(np.abs(np.cumsum(difference)).max())
    return float(np.abs(difference).sum() / 2)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q1_moved", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
assert abs(distance([50, 50], [60, 40], ordered=True) - 0.1) < 1e-9, (
    f"[50, 50] and [60, 40] are {distance([50, 50], [60, 40], ordered=True)} apart; one row in ten has moved."
)
_far = distance([30, 40, 30], [40, 30, 30], ordered=False)
assert abs(_far - 0.1) < 1e-9, (
    f"[30, 40, 30] and [40, 30, 30] as categories came out as {_far}, not 0.1."
)
_far = distance([1, 0, 0], [0, 0, 1], ordered=True)
assert abs(_far - 1) < 1e-9, f"Samples with nothing in common are 1 apart; {_far} came back."
_far = distance([50, 50, 100], [5, 5, 10], ordered=True)
assert abs(_far) < 1e-9, (
    f"The same shares in a tenth of the rows are {_far} apart. Compare shares, not counts."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q1_any", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
assert distance([3, 4], [0, 0], ordered=True) == 0, (
    "A sample without rows must give 0.0: nothing can be said of it."
)
### BEGIN HIDDEN TESTS
import numpy as _np
from scipy.stats import ks_2samp as _ks

_chance = _np.random.default_rng(SEED + 5)
for _trial in range(8):
    _was, _now = _chance.integers(0, 40, 9), _chance.integers(0, 25, 9)
    ### HINT For ordered cells the largest difference may stand at any border: cumulate the shares and look at all of them, in both directions.
    _exact = _ks(_np.repeat(range(9), _was), _np.repeat(range(9), _now)).statistic
    assert abs(distance(_was, _now, True) - _exact) < 1e-9
    ### HINT For categories the order of the cells means nothing: turning them round changes nothing, and every cell counts.
    _gone = _np.clip(_was / _was.sum() - _now / _now.sum(), 0, None).sum()
    assert abs(distance(_was, _now, False) - _gone) < 1e-9
    assert abs(distance(_was[::-1], _now[::-1], False) - _gone) < 1e-9
### HINT It is a distance: the same in both directions, from plain lists as from arrays, and 0 where either sample is empty.
assert abs(distance([9, 1, 0], [2, 2, 2], True) - distance([2, 2, 2], [9, 1, 0], True)) < 1e-9
assert distance([0, 0, 0], [1, 2, 3], False) == 0
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_given_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### What p < 0.05 promises
#
# A test's *p-value* is the chance of such a distance if nothing has changed. Here is a table of them: sixty days of another year in which **nothing happened**, eight columns, each day against the history (chi-square on the counts).


# %% nbgrader={"schema_version": 3, "grade_id": "given_p", "grade": false, "solution": false, "locked": true, "task": false}
def p_table(history, frame, first, last):
    """Test each column on each day: a DataFrame of p-values, one row a day, one column a column."""
    table = {}
    for column in COLUMNS:
        was = count_cells(history, column, history).sum(axis=0)
        now = count_cells(frame, column, history)
        table[column] = [drift.chi_square(was, now[day])[2] for day in range(first, last)]
    return pd.DataFrame(table, index=range(first, last))


quiet = worlds.rides_trips(60, first_day=DAYS, trips_per_day=TRIPS, seed=CITY, events=())
p_quiet = p_table(history, quiet, 0, 60)
print("days with p < 0.05 in some column:", int((p_quiet < 0.05).any(axis=1).sum()), "of 60")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_text", "grade": false, "solution": false, "locked": true, "task": false}
# Two things are wrong. The first is arithmetic: 60 days times 8 columns are 480 tests, and one in twenty of *perfect* tests says "p < 0.05" when nothing has changed.
#
# > **Take away.** An alarm's promise is about all its looks together: *the chance of any false page this month is at most 5 %*. Each single look gets its share of that.
#
# ### Question 2 · A pager that keeps its word
#
# Write `pages(p_values, alpha)`. `p_values` is a DataFrame, one row a look (a day), one column a column of the data. Give the list of the index labels of the rows on which to page, in the table's order, such that
#
# - if nothing has changed, the chance that the **whole table** causes any page is at most `alpha`, however the columns depend on each other;
# - it isn't deaf: a p-value of at most `alpha` divided by the number of p-values in the table always pages;
# - missing p-values (`nan`: no rows that day) never page, and aren't counted as looks.


# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
def pages(p_values, alpha):
    """List the rows to page on, with a chance of at most ``alpha`` of any false page."""
    ### BEGIN SOLUTION
    looks = int(p_values.notna().to_numpy().sum())
    hit = (p_values <= alpha / max(1, looks)).any(axis=1)
    return list(p_values.index[hit])
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q2_pages", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import pandas as _pd

_table = _pd.DataFrame(_np.full((30, 8), 0.4), columns=[f"c{_n}" for _n in range(8)])
_table.iloc[17, 3] = 1e-9
assert list(pages(_table, 0.05)) == [17], (
    f"One p-value of 1e-9 on day 17, all others 0.4: pages gave {list(pages(_table, 0.05))}, wanted [17]."
)
_table.iloc[4, 0] = 0.01
assert list(pages(_table, 0.05)) == [17], (
    "A p-value of 0.01 among 240 is what chance gives; it must not page."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q2_budget", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import pandas as _pd

_table = _pd.DataFrame(_np.full((3, 2), _np.nan), columns=["a", "b"])
assert list(pages(_table, 0.05)) == [], "A table without any p-value must page on nothing."
### BEGIN HIDDEN TESTS
_chance = _np.random.default_rng(29)


def _share(_rows, _columns, _alpha, _twins):
    """In which share of tables without any change is there a page?"""
    _paged = 0
    for _trial in range(25):
        _p = _chance.random((_rows, 1 if _twins else _columns)) * _np.ones((1, _columns))
        _paged += len(pages(_pd.DataFrame(_p), _alpha)) > 0
    return _paged / 25


### HINT Where nothing has changed, a table may page with a chance of alpha over all of its rows and columns together, not over each row or each column.
assert _share(30, 8, 0.05, False) < 0.2
assert _share(10, 20, 0.05, False) < 0.2
### HINT The promise must not be kept by never paging: with alpha = 0.5 nearly two in five quiet tables page.
assert 0.2 < _share(20, 5, 0.5, False) < 0.6
### HINT Columns may depend on each other; the promise holds all the same.
assert _share(30, 6, 0.05, True) < 0.2


def _in_turns(_looks, _alpha):
    """Make p-values without any change: sometimes exactly j of them come together below j shares."""
    _p = _chance.uniform(_alpha, 1, _looks)
    _level = _chance.random() / _alpha
    for _j in range(1, _looks + 1):
        if _level < 1 / _j:
            _p[:_j] = (_j - _chance.random(_j)) * _alpha / _looks
            break
        _level -= 1 / _j
    return _pd.DataFrame(_chance.permutation(_p).reshape(-1, 5))


### HINT However they depend: several p-values that come together just below a larger share are no better evidence. A limit on the share of false discoveries is another promise than one on any false page.
assert sum(len(pages(_in_turns(20, 0.2), 0.2)) > 0 for _ in range(40)) < 17
### HINT A p-value of just alpha divided by the number of looks pages; more than that needn't.
_table = _pd.DataFrame([[0.9, 0.125], [0.8, 0.7]])
assert list(pages(_table, 0.5)) == [0]
### HINT The list holds the table's own labels, each once, in its order; missing values are no looks.
_dates = _pd.date_range("2026-03-01", periods=50)
_table = _pd.DataFrame(_np.full((50, 4), _np.nan), index=_dates)
_table.iloc[7:9, :] = 0.9
_table.iloc[[8, 7], [0, 1]] = 0.004
assert list(pages(_table, 0.05)) == [_dates[7], _dates[8]]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part2", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 2 · Season is not drift
#
# With your pager the sixty quiet days should be quiet.

# %% nbgrader={"schema_version": 3, "grade_id": "given_still", "grade": false, "solution": false, "locked": true, "task": false}
try:
    print("pages on sixty quiet days:", len(pages(p_quiet, 0.05)))
    smallest = p_quiet.min().sort_values()
    print(smallest.map("{:.1e}".format).to_string())
except NotImplementedError:
    print("Question 2 first.")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q3_text", "grade": false, "solution": false, "locked": true, "task": false}
# They aren't, and look how small the p-values are. Two more things are wrong, and no correction can mend them: winter days were compared with a whole year, and the test takes rows for **independent** though all rows of a day share its weather. 150 trips in the rain are one rainy day, not 150.
#
# > **Take away.** Compare like with like: this Tuesday in January with weekdays in January. And let usual days say what is usual, not a formula about independent rows.
#
# ### Question 3 · What is usual on such a day?
#
# Write `usual(counts, day)`. `counts` is a history's table as `count_cells` gives it (364 days, cells); `day` is the number of a day of the *next* year, 0 to 363. Give the shares to expect, an array with one number per cell that adds up to 1: those of **all rows together** of the days of the history
#
# - that lie at most 14 days from `day` in the calendar, **round the end of the year** (day 2 is four days from day 362);
# - and are of the same kind: Monday to Friday, or weekend (day 0 is a Monday).


# %% nbgrader={"schema_version": 3, "grade_id": "q3", "grade": false, "solution": true, "locked": false, "task": false}
def usual(counts, day):
    """Give the shares of cells to expect on a day, from days of the same season and kind."""
    ### BEGIN SOLUTION
    days = np.arange(len(counts))
    away = np.abs(days - day)
    away = np.minimum(away, len(counts) - away)
    alike = (away <= 14) & ((days % 7 >= 5) == (day % 7 >= 5))
    rows = np.asarray(counts)[alike].sum(axis=0)
    return rows / rows.sum()
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q3_season", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_counts = _np.zeros((364, 3), dtype=int)
_counts[:, 0] = 10
_counts[185:214, 1] = 10  # a warm month
_counts[_np.arange(364) % 7 >= 5, 2] = 20  # weekends
_shares = _np.asarray(usual(_counts, 199), dtype=float)
assert _shares.shape == (3,), (
    f"usual gave shape {_shares.shape}; one share for each of 3 cells was wanted."
)
assert abs(_shares.sum() - 1) < 1e-9, f"The shares add up to {_shares.sum()}, not to 1."
assert _np.allclose(_shares, [0.5, 0.5, 0]), (
    f"Day 199, a weekday in the warm month, came out as {_shares.round(3).tolist()}, wanted [0.5, 0.5, 0]. "
    "Which days of the history are like it?"
)
assert _np.allclose(usual(_counts, 103), [1 / 3, 0, 2 / 3]), (
    "Day 103 is a Saturday; its weekends hold twice as many rows in the last cell."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q3_edges", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_counts = _np.ones((364, 2), dtype=int)
assert _np.allclose(usual(_counts, 0), [0.5, 0.5]), "Day 0 must have neighbours too."
### BEGIN HIDDEN TESTS
_chance = _np.random.default_rng(SEED + 31)
_counts = _chance.integers(0, 30, (364, 4)) * _chance.integers(0, 4, (364, 1))


def _wanted(_day):
    _rows = _np.zeros(4)
    for _step in range(-14, 15):
        _other = (_day + _step) % 364
        if (_other % 7 >= 5) == (_day % 7 >= 5):
            _rows += _counts[_other]
    return _rows / _rows.sum()


### HINT The calendar is round: in the first and the last two weeks some neighbours lie at the other end of the year.
for _day in (0, 2, 6, 355, 363):
    assert _np.allclose(usual(_counts.copy(), _day), _wanted(_day))
### HINT Fourteen days to each side, both ends included, the same kind of day only, and all rows of these days together: a busy day counts for more than an empty one.
for _day in (20, 61, 123, 200, 301):
    assert _np.allclose(usual(_counts.copy(), _day), _wanted(_day))
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q4_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 4 · How far do usual days stray?
#
# The history itself says it. Take each of its days in turn, compare it with what is usual on such a day **when that day isn't part of the history**, and see how far away it is. The farthest of 364 ordinary days, and a fifth more to be safe, is a limit that ordinary days hardly pass, whatever they share.
#
# Write `limit(counts, ordered)` for a history's table: 1.2 times the largest of these distances, where the distance is that of Question 1 (`ordered` as there). A day without rows is passed over.


# %% nbgrader={"schema_version": 3, "grade_id": "q4", "grade": false, "solution": true, "locked": false, "task": false}
def limit(counts, ordered):
    """Give the distance that ordinary days hardly pass."""
    ### BEGIN SOLUTION
    measure = drift.kolmogorov_smirnov if ordered else drift.total_variation
    farthest = 0.0
    for day in range(len(counts)):
        if counts[day].sum() > 0:
            others = counts.copy()
            others[day] = 0
            farthest = max(farthest, measure(usual(others, day), counts[day]))
    return 1.2 * farthest
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q4_limit", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_counts = _np.tile([50, 50], (364, 1))
_counts[100] = [60, 40]
_found = limit(_counts, True)
assert abs(_found - 0.12) < 0.005, (
    f"Every day is half and half but one, which is 60 to 40: its distance to the others is 0.1, so 0.12 was wanted, not {_found:.4f}."
)
_counts[100] = [0, 0]
assert limit(_counts, True) < 0.005, "A day without rows must be passed over."

# %% nbgrader={"schema_version": 3, "grade_id": "q4_quiet", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_counts = _np.tile([50, 50], (364, 1))
assert limit(_counts, False) == 0, "Days that are all alike stray by 0."
### BEGIN HIDDEN TESTS
### HINT A day must not be part of what it is compared with: where there are few days like it, it would hide itself.
_odd = _np.zeros((364, 3), dtype=int)
_odd[::7] = [40, 40, 0]
_odd[112] = [0, 0, 400]
assert abs(limit(_odd, False) - 1.2) < 1e-6
### HINT The farthest of all 364 days counts, each beside its own season and kind of day, and a fifth is added; ordered cells and categories have a distance each.
_chance = _np.random.default_rng(SEED + 41)
_season = _np.arange(364)[:, None] // 91
_table = _chance.poisson(
    4 + 9 * (_season == [0, 1, 2, 3]) + 5 * (_np.arange(364)[:, None] % 7 >= 5)
)
_far = {True: 0.0, False: 0.0}
for _day in range(364):
    _near = [(_day + _step) % 364 for _step in range(-14, 15) if _step]
    _rest = sum(_table[_other] for _other in _near if (_other % 7 >= 5) == (_day % 7 >= 5))
    _gap = _table[_day] / _table[_day].sum() - _rest / _rest.sum()
    _far[True] = max(_far[True], _np.abs(_gap.cumsum()).max())
    _far[False] = max(_far[False], _np.abs(_gap).sum() / 2)
assert abs(limit(_table, True) - 1.2 * _far[True]) < 1e-6
assert abs(limit(_table, False) - 1.2 * _far[False]) < 1e-6
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part3", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 3 · Did the world move, or the data?
#
# A stuck thermometer, a column that was renamed, a join that found nothing: most alerts in practice are none of drift's business. They need no statistics, should be told apart from drift, and come first.
#
# ### Question 5 · What is broken?
#
# Write `broken(day, history)`. Both are tables of trips; `day` holds one day. Give a `set` of pairs `(fault, column)`, empty if nothing is wrong:
#
# | fault | column | when |
# |---|---|---|
# | `"empty"` | `""` | there are no rows; then nothing else is reported |
# | `"missing column"` | its name | one of `COLUMNS` isn't there |
# | `"unknown column"` | its name | a column that the history doesn't have |
# | `"all missing"` | its name | one of `COLUMNS` is there and has no value in any row |
# | `"infinite"` | its name | one of `NUMBERS` has an infinite value |
# | `"constant"` | its name | one of `COLUMNS` has 20 or more values, all the same, although it had several different values on **each** day of the history |
# | `"new category"` | its name | one of `NAMES` has a name that never occurs in the history; a missing value is no name |
#
# The order of columns and rows means nothing, nor do the row labels.


# %% nbgrader={"schema_version": 3, "grade_id": "q5", "grade": false, "solution": true, "locked": false, "task": false}
def broken(day, history):
    """Name what is wrong with a day's data as data: a set of (fault, column)."""
    ### BEGIN SOLUTION
    if len(day) == 0:
        return {("empty", "")}
    found = {("unknown column", name) for name in day.columns if name not in history.columns}
    for column in COLUMNS:
        if column not in day.columns:
            found.add(("missing column", column))
            continue
        values = day[column].dropna()
        if values.empty:
            found.add(("all missing", column))
        elif len(values) >= 20 and values.nunique() == 1:
            if (history[column].groupby(day_numbers(history)).nunique() > 1).all():
                found.add(("constant", column))
        if column in NUMBERS and np.isinf(values.to_numpy(dtype=float)).any():
            found.add(("infinite", column))
        if column in NAMES and not values.isin(history[column].unique()).all():
            found.add(("new category", column))
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q5_faults", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import pandas as _pd

_time = _pd.Timestamp("2025-01-06") + _pd.to_timedelta(_np.arange(1400) * 6, "min")
_past = _pd.DataFrame({"pickup_time": _time})
for _at, _name in enumerate(NUMBERS):
    _past[_name] = (_np.arange(1400) * (_at + 3)) % 17 + 0.5
_past["zone"] = _np.where(_np.arange(1400) % 3 == 0, "zone-01", "zone-02")
_past["raining"] = (_np.arange(1400) // 240) % 2 == 1  # whole days of rain, whole dry days
_day = _past.iloc[:120]
assert broken(_day, _past) == set(), f"An ordinary day came out as {broken(_day, _past)}."
assert broken(_day.iloc[:0], _past) == {("empty", "")}, "A day without rows is only empty."
assert broken(_day.assign(temperature_c=7.5), _past) == {("constant", "temperature_c")}, (
    "A thermometer that shows one value all day is stuck; every day of the history had several."
)
_found = broken(_day.rename(columns={"fare": "fare_eur"}), _past)
assert _found == {("missing column", "fare"), ("unknown column", "fare_eur")}, (
    f"A renamed column is one that is missing and one that is unknown; {_found} came back."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q5_harmless", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np
import pandas as _pd

_time = _pd.Timestamp("2025-01-06") + _pd.to_timedelta(_np.arange(1400) * 6, "min")
_past = _pd.DataFrame({"pickup_time": _time})
for _at, _name in enumerate(NUMBERS):
    _past[_name] = (_np.arange(1400) * (_at + 3)) % 17 + 0.5
_past["zone"] = _np.where(_np.arange(1400) % 3 == 0, "zone-01", "zone-02")
_past["raining"] = (_np.arange(1400) // 240) % 2 == 1
_day = _past.iloc[:120]
assert broken(_day[_day.columns[::-1]].set_index(_day.index + 9), _past) == set(), (
    "Other columns' order and other row labels are no fault."
)
### BEGIN HIDDEN TESTS
### HINT A dry day has one value in `raining` and is ordinary: the history has such days. Two equal rows, and some missing values, are ordinary too.
assert broken(_day.assign(raining=False), _past) == set()
assert broken(_day.iloc[[3, 3]], _past) == set()
_holes = _day.copy()
_holes.loc[_holes.index[1::4], ["wait_min", "zone"]] = _np.nan
assert broken(_holes, _past) == set()
### HINT A column can be there and have no value at all; an infinite value among good ones is a fault; so is one new name.
assert broken(_day.assign(wait_min=_np.nan), _past) == {("all missing", "wait_min")}
_odd = _day.copy()
_odd.loc[_odd.index[4], "surge"] = _np.inf
_odd.loc[_odd.index[5], "zone"] = "zone-13"
assert broken(_odd, _past) == {("infinite", "surge"), ("new category", "zone")}
### HINT Several faults of a day are all reported, and a constant column needs twenty values.
_worse = _day.drop(columns="fare").assign(temperature_c=3.0, note="x", zone="zone-01")
assert broken(_worse, _past) == {
    ("missing column", "fare"),
    ("unknown column", "note"),
    ("constant", "temperature_c"),
    ("constant", "zone"),
}
assert broken(_day.iloc[:19].assign(fare=9.0), _past) == set()
assert broken(_day.iloc[:20].assign(fare=9.0), _past) == {("constant", "fare")}
### HINT Count values, not rows: nineteen equal values and a hundred holes are no constant column. And below zero there is an infinity too.
_odd = _day.assign(fare=9.0)
_odd.loc[_odd.index[19:], "fare"] = _np.nan
_odd.loc[_odd.index[7], "wait_min"] = -_np.inf
assert broken(_odd, _past) == {("infinite", "wait_min")}
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part4", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 4 · The year
#
# Now the detector, judged by what it is worth. Somebody who is paged gets up: **60** for each day with a page. What nobody notices costs **500** a day, for as long as it lasts and for four weeks at most.


# %% nbgrader={"schema_version": 3, "grade_id": "given_bill", "grade": false, "solution": false, "locked": true, "task": false}
def bill(alerts, events):
    """What a year costs: 60 for each day with a page, 500 for each day that an event goes unnoticed."""
    days = sorted({int(day) for day, _ in alerts})
    score = drift.score_alerts(days, events, days=DAYS)
    unnoticed = sum(
        score.noticed.get(name, min(28, last - first + 1)) for name, (first, last) in events.items()
    )
    return 60 * len(days) + 500 * unnoticed


print("nobody watches:   ", bill([], events))
print("a page every day: ", bill([(day, "") for day in range(DAYS)], events))

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q6_text", "grade": false, "solution": false, "locked": true, "task": false}
# > **Take away.** A detector is judged like a model: on data whose truth is known, by what its mistakes cost. Recall without false alarms, and quiet without recall, are both easy.
#
# ### Question 6 · The detector
#
# Write `watch(history, year)`. Both are tables of trips as above. Give a list of pairs `(day, column)`, an alert each: day 0 to 363 of `year`, and the column in which it shows (`""` for the table as a whole).
#
# - Raise an alert where something **begins**; not again on each day that it lasts.
# - Judge each day by what is known on that day: the history, and the year **up to and including that day**.
# - What moves a little and stays (fares) isn't seen in a single day of 150 trips; look at several days together as well, such as the last seven. What is usual of seven days is what seven days of the history say.
# - Broken data is an alert too.
#
# It is wanted that in years with other events on other days, in other cities,
#
# - at least **seven of eight** events are noticed, and the bill is at most **15,000**;
# - at most **one false alarm a month** is raised, in years with events and in a year without any;
# - the whole year takes seconds, not minutes: work with counts.
#
# Use your answers above, or the kit, or something better.


# %% nbgrader={"schema_version": 3, "grade_id": "q6", "grade": false, "solution": true, "locked": false, "task": false}
def watch(history, year):
    """List the alerts of a year: (day, column) where something begins."""
    ### BEGIN SOLUTION
    # Days stand for cells: usual then says which days it takes for alike.
    itself = np.eye(DAYS)
    alike = (np.array([usual(itself, day) for day in range(DAYS)]) > 0).astype(float)
    today, before = day_numbers(year), day_numbers(history)
    open_days = np.bincount(today, minlength=DAYS) > 0
    alerts = []
    for column in COLUMNS:
        ordered = column in NUMBERS
        was, now = count_cells(history, column, history), count_cells(year, column, history)
        strange = (now[:, -1] > 0) & (column in NAMES)
        different = year[column].groupby(today).nunique().reindex(range(DAYS), fill_value=0)
        daily = history[column].groupby(before).nunique()
        stuck = (now.sum(axis=1) >= 20) & (different == 1).to_numpy() & (daily.min() > 1)
        flags = [strange | stuck | (open_days & (now.sum(axis=1) == 0))]
        for window in (1, 7):
            strays = together(was, (alike - itself) @ was, window, ordered)
            flags.append(together(now, alike @ was, window, ordered) > 1.2 * strays.max())
        for kind in (flags[0], flags[1] | flags[2]):
            last = -99
            for day in np.flatnonzero(kind).tolist():
                if day - last > 7:
                    alerts.append((day, column))
                last = day
    return sorted(set(alerts))


def together(counts, expected, window, ordered):
    """Give each day's distance, of the last ``window`` days together, to what is usual of them."""
    shares = expected / expected.sum(axis=1, keepdims=True)
    both = np.stack([counts.astype(float), shares * counts.sum(axis=1, keepdims=True)])
    total = np.concatenate([np.zeros_like(both[:, :1]), both.cumsum(axis=1)], axis=1)
    now, was = total[:, window:] - total[:, :-window]
    size = np.maximum(1, now.sum(axis=1, keepdims=True))
    gap = (now - was) / size
    far = np.abs(gap.cumsum(axis=1)).max(axis=1) if ordered else np.abs(gap).sum(axis=1) / 2
    return np.concatenate([np.zeros(window - 1), far])
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q6_own", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
from mlops_kit import drift as _drift

_alerts = watch(history, year)
assert all(len(_pair) == 2 for _pair in _alerts), "Each alert is a pair (day, column)."
assert all(0 <= _day < DAYS for _day, _ in _alerts), "Days are numbers from 0 to 363."
assert all(_column in [*COLUMNS, ""] for _, _column in _alerts), (
    'An alert names one of COLUMNS, or "" for the table as a whole.'
)
_days = sorted({int(_day) for _day, _ in _alerts})
_score = _drift.score_alerts(_days, events, days=364)
assert len(_score.noticed) >= 7, (
    f"Of eight events {len(_score.noticed)} were noticed; missed: {', '.join(_score.missed)}."
)
assert _score.false_alarms_a_month <= 1, (
    f"{_score.false_alarms_a_month:.1f} false alarms a month, on days {list(_score.false_alarms)}. "
    "Which of them are season, weather, or the same alert again?"
)
assert len(_alerts) <= 80, (
    f"{len(_alerts)} alerts in a year: an alert belongs to the beginning of something, not to each of its days."
)
assert bill(_alerts, events) <= 15_000, (
    f"The bill is {bill(_alerts, events):,}: {len(_days)} days with pages, events noticed after {_score.noticed} days."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q6_other", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_first = watch(history, year[day_numbers(year) < 60])
assert len({_day for _day, _ in _first if _day < 60}) <= 10, (
    f"Nothing happens in the first sixty days, and {len(_first)} alerts are raised: {_first[:5]}"
)
### BEGIN HIDDEN TESTS
from dataclasses import replace as _replace

from mlops_kit import drift as _drift
from mlops_kit import drift_contest as _contest
from mlops_kit import worlds as _worlds

_spans = [(250, 363), (120, 123), (40, 363), (290, 340), (190, 199), (75, 88), (20, 26), (150, 363)]
_moved = [
    _replace(_event, first_day=_first, last_day=_last)
    for _event, (_first, _last) in zip(_worlds.RIDES_EVENTS, _spans, strict=True)
]
_city = _contest.rides_year(212, trips_per_day=150, events=_moved)
_columns = ["pickup_time", *COLUMNS]
_past, _next = _city.reference[_columns], _city.watched[_columns]
_alerts = watch(_past, _next)
_days = sorted({int(_day) for _day, _ in _alerts})
_score = _drift.score_alerts(_days, _city.events, days=364)
### HINT In another city the same things happen on other days, in other seasons. At least seven of eight must be noticed, soon enough for the bill.
assert len(_score.noticed) >= 7
_late = sum(
    _score.noticed.get(_name, min(28, _last - _first + 1))
    for _name, (_first, _last) in _city.events.items()
)
assert 60 * len(_days) + 500 * _late <= 15_000
### HINT At most one false alarm a month. Days of summer, rain or weekends, and days on which something merely goes on, are no alerts.
assert _score.false_alarms_a_month <= 1
assert len(_alerts) <= 80
### HINT An alert names the column in which it shows: distances in miles show in the distance, a stuck thermometer in the temperature.
assert any(75 <= _day <= 81 and _column == "distance_km" for _day, _column in _alerts)
assert any(190 <= _day <= 196 and _column == "temperature_c" for _day, _column in _alerts)
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "q6_quiet", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_first = year[day_numbers(year) < 60]
assert watch(history, _first) == watch(history, _first), (
    "The same days gave other alerts the second time. Where does chance come in?"
)
### BEGIN HIDDEN TESTS
from mlops_kit import worlds as _worlds

_columns = ["pickup_time", *COLUMNS]
_past, _next = (
    _worlds.rides_trips(_days, first_day=_from, trips_per_day=150, seed=312, events=())[_columns]
    for _from, _days in ((0, 364), (364, 140))
)
_twice = ["distance_km", "duration_min", "wait_min", "fare"]
_next.loc[day_numbers(_next) >= 130, _twice] *= 2
_whole = sorted({(int(_day), _column) for _day, _column in watch(_past, _next)})
### HINT While nothing happens there is summer, winter, rain and chance, and at most one page a month.
assert len({_day for _day, _ in _whole if _day < 130}) <= 5
### HINT A day is judged by what is known on that day: with the rest of the year cut off, the alerts up to that day are the same.
for _last in (129, 130):
    _early = watch(_past, _next[day_numbers(_next) <= _last])
    _early = sorted({(int(_day), _column) for _day, _column in _early if _day <= _last})
    assert _early == [_pair for _pair in _whole if _pair[0] <= _last]
### HINT Where four columns are suddenly twice as large, that is noticed within days.
assert any(130 <= _day <= 136 for _day, _ in _whole)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part5", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 5 · When the labels arrive
#
# Inputs that moved say *look*; only outcomes say whether the model is wrong. They come late: whether a rider cancelled is known hours or days after the pickup was asked for. Here is the model, as it was trained on the first weeks of the history, and what it promised.


# %% nbgrader={"schema_version": 3, "grade_id": "given_model", "grade": false, "solution": false, "locked": true, "task": false}
def features_of(trips):
    """What the model sees: waiting, surge, rain, and which zone."""
    zones = [f"zone-{number:02d}" for number in range(2, 13)]
    inside = [(trips["zone"] == zone).to_numpy(dtype=float) for zone in zones]
    numbers = [trips["wait_min"], trips["surge"] - 1, trips["raining"]]
    return np.column_stack([np.ones(len(trips)), *[np.asarray(n, float) for n in numbers], *inside])


def fit(trips):
    """Fit a logistic regression by Newton's method; gives a function from trips to chances."""
    x, y = features_of(trips), trips["cancelled"].to_numpy(dtype=float)
    weights = np.zeros(x.shape[1])
    for _ in range(8):
        p = 1 / (1 + np.exp(-x @ weights))
        bent = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(x.shape[1])
        weights += np.linalg.solve(bent, x.T @ (y - p))
    return lambda new: 1 / (1 + np.exp(-features_of(new) @ weights))


chance_of = fit(worlds.rides_trips(56, trips_per_day=400, seed=CITY, events=()))
lately = worlds.rides_trips(40, first_day=56, trips_per_day=400, seed=CITY, events=())
print(lately[["pickup_time", "cancelled", "label_time"]].head(3).to_string())
print(f"promised for these forty days: {chance_of(lately).mean():.1%} of riders cancel")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q7_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 7 · As promised?
#
# Write `verdict(trips, chances, today)`. `trips` has the columns `pickup_time`, `cancelled` and `label_time`; `chances` is an array with the model's chance of a cancellation for each row; `today` is a `pd.Timestamp`. A row may be used if its pickup lies in the 28 days before `today` (`today - 28 days <= pickup_time < today`) **and** its label was known by then (`label_time <= today`). Give a dictionary:
#
# - `"rows"`: how many rows may be used;
# - `"expected"`: the mean of their chances, what the model promised; `"observed"`: the share of them that was cancelled (both `None` if there are no rows);
# - `"verdict"`: `"too few labels"` for fewer than 200 rows; otherwise `"as promised"` if observed and expected differ by at most four standard errors, and `"concept drift"` if by more.
#
# If each row is cancelled with its own chance p, the observed share of n rows has a standard error of √(Σ p (1 − p)) / n.


# %% nbgrader={"schema_version": 3, "grade_id": "q7", "grade": false, "solution": true, "locked": false, "task": false}
def verdict(trips, chances, today):
    """Compare what the model promised with what became of it, as far as it is known today."""
    ### BEGIN SOLUTION
    pickup = trips["pickup_time"]
    recent = (pickup >= today - pd.Timedelta(days=28)) & (pickup < today)
    usable = (recent & (trips["label_time"] <= today)).to_numpy()
    rows = int(usable.sum())
    if rows == 0:
        return {"rows": 0, "expected": None, "observed": None, "verdict": "too few labels"}
    p = np.asarray(chances, dtype=float)[usable]
    expected, observed = p.mean(), trips["cancelled"].to_numpy(dtype=float)[usable].mean()
    error = np.sqrt((p * (1 - p)).sum()) / rows
    said = "as promised" if abs(observed - expected) <= 4 * error else "concept drift"
    return {
        "rows": rows,
        "expected": float(expected),
        "observed": float(observed),
        "verdict": said if rows >= 200 else "too few labels",
    }
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q7_known", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_today = lately["pickup_time"].max().normalize()
_found = verdict(lately, chance_of(lately), _today)
assert sorted(_found) == ["expected", "observed", "rows", "verdict"], (
    f"The dictionary has the keys {sorted(_found)}."
)
_known = (lately["label_time"] <= _today) & (lately["pickup_time"] < _today)
_known &= lately["pickup_time"] >= _today - pd.Timedelta(days=28)
assert _found["rows"] == int(_known.sum()), (
    f"{_found['rows']} rows were used. Which labels were known by {_today:%d %B}, of pickups in the 28 days before?"
)
assert _found["verdict"] == "as promised", (
    f"Nothing has happened in these weeks, and the verdict is {_found['verdict']!r}."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q7_honest", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_found = verdict(lately.iloc[:0], [], lately["pickup_time"].max())
assert _found["verdict"] == "too few labels", "No rows are too few."
assert _found["rows"] == 0, "Of no rows none can be used."
### BEGIN HIDDEN TESTS
import numpy as _np
import pandas as _pd

_chance = _np.random.default_rng(71)
_today = _pd.Timestamp("2026-05-04")


def _weeks(_rows, _turn):
    """Trips of 60 days whose labels take up to 9 days, cancelled with chance p, or ``_turn(p)``."""
    _p = _chance.uniform(0.05, 0.5, _rows)
    _picked = _today - _pd.to_timedelta(_chance.uniform(-3, 57, _rows), "D")
    _trips = _pd.DataFrame(
        {
            "pickup_time": _picked,
            "cancelled": _chance.random(_rows) < _turn(_p),
            "label_time": _picked + _pd.to_timedelta(_chance.uniform(0.1, 9, _rows), "D"),
        },
        index=_chance.permutation(_rows) + 50,
    )
    return _trips, _p


_trips, _p = _weeks(9000, lambda _p: _p)
_use = (
    (_trips["label_time"] <= _today)
    & (_trips["pickup_time"] < _today)
    & (_trips["pickup_time"] >= _today - _pd.Timedelta(days=28))
).to_numpy()
### HINT Only what was known by `today`, of pickups in the 28 days before it; chances and rows belong together by position, whatever the row labels are.
_found = verdict(_trips, _p, _today)
assert _found["rows"] == _use.sum()
assert abs(_found["expected"] - _p[_use].mean()) < 1e-9
assert abs(_found["observed"] - _trips["cancelled"].to_numpy()[_use].mean()) < 1e-9
assert _found["verdict"] == "as promised"
### HINT Labels that aren't known yet must not matter, whatever stands in their place.
_later = _trips.assign(cancelled=_trips["cancelled"].to_numpy() | ~_use)
assert verdict(_later, _p, _today) == _found
### HINT Where riders cancel half as often as promised, or twice as often, the verdict is concept drift; a difference within four standard errors isn't.
for _turn in (lambda _p: _p / 2, lambda _p: _p * 1.6):
    _trips, _p = _weeks(4000, _turn)
    assert verdict(_trips, _p, _today)["verdict"] == "concept drift"
for _trial in range(12):
    _trips, _p = _weeks(2500, lambda _p: _p * 1.02)
    assert verdict(_trips, _p, _today)["verdict"] == "as promised"
### HINT The 28 days begin with their first moment and end before today; a label that arrives just today is known.
_when = (
    [_today - _pd.Timedelta(days=28)] * 300 + [_today] * 150 + [_today - _pd.Timedelta(days=2)] * 50
)
_edges = _pd.DataFrame({"pickup_time": _when, "cancelled": True, "label_time": _today})
assert verdict(_edges, _np.full(500, 0.9), _today)["rows"] == 350
### HINT Each row has its own chance: the standard error comes from the sum of their p (1 - p), not from the mean chance.
_sure = _np.where(_np.arange(400) % 2, 0.98, 0.02)
_trips = _pd.DataFrame(
    {"pickup_time": _today - _pd.Timedelta(days=3), "label_time": _today}, range(400)
)
for _more, _said in ((8, "as promised"), (24, "concept drift")):
    _trips["cancelled"] = (_sure > 0.5) | (_np.arange(400) < 2 * _more)
    assert verdict(_trips, _sure, _today)["verdict"] == _said
### HINT Four standard errors are wide for few rows and narrow for many.
for _rows, _more, _said in (
    *((250, 25, "as promised"), (250, 40, "concept drift")),
    *((40_000, 300, "as promised"), (40_000, 700, "concept drift")),
):
    _trips = _pd.DataFrame(
        {"pickup_time": _today - _pd.Timedelta(days=3), "label_time": _today}, range(_rows)
    )
    _trips["cancelled"] = _np.arange(_rows) < _rows // 2 + _more
    assert verdict(_trips, _np.full(_rows, 0.5), _today)["verdict"] == _said
### HINT Fewer than 200 usable rows are too few for a verdict, however large the difference.
_trips, _p = _weeks(300, lambda _p: _p / 9)
_found = verdict(_trips, _p, _today)
assert _found["verdict"] == "too few labels"
### HINT What is expected and observed is None only where there are no rows at all.
assert _found["rows"] > 0 and None not in (_found["expected"], _found["observed"])
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 8 · The figure for the person who is paged
#
# Write `alert_figure(far, limit, days)`. `far` is a list of a column's distances, one a day from day 0; `limit` a number; `days` the list of days on which an alert was raised. Draw with matplotlib and **return the figure** (a `matplotlib.figure.Figure` with one pair of axes):
#
# - a line through the distances, day by day;
# - a straight line across the axes at `limit`;
# - a marker on each alert, and only there (or one that other days don't have): at its day, at the height of that day's distance;
# - the x axis labelled with the word `day`, the y axis labelled, and a title.
#
# Colour alone must not carry meaning.


# %% nbgrader={"schema_version": 3, "grade_id": "q8", "grade": false, "solution": true, "locked": false, "task": false}
def alert_figure(far, limit, days):
    """Draw a column's distance by day, the limit, and the alerts; give the figure."""
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.plot(range(len(far)), far, color="#0072b2", label="distance to what is usual")
    axes.axhline(limit, color="#333333", linestyle="--", label="limit")
    axes.plot(days, [far[day] for day in days], "v", color="#d55e00", markersize=9, label="alert")
    axes.set_xlabel("day of the year")
    axes.set_ylabel("share of rows moved")
    axes.set_title("When did it begin?")
    axes.legend()
    return figure
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_figure", "grade": false, "solution": false, "locked": true, "task": false}
def seen_in(figure):
    """What the tests see of a figure: points of lines, markers, lines across, texts. No need to read it."""
    if not isinstance(figure, plt.Figure):
        raise TypeError(
            f"a {type(figure).__name__} came back; return the matplotlib Figure itself."
        )
    if not figure.axes:
        raise ValueError("the figure that came back is empty; draw into its axes.")
    axes = figure.axes[0]
    for drawn in [*axes.lines, *axes.collections, *axes.patches, *axes.texts]:
        alpha = drawn.get_alpha()
        if not drawn.get_visible() or (alpha is not None and np.max(alpha) == 0):
            drawn.remove()  # nobody sees it
    seen = {"lines": [], "markers": [], "across": []}
    for line in axes.lines:
        x = np.ravel(line.get_xdata(orig=False)).astype(float).tolist()
        y = np.ravel(line.get_ydata(orig=False)).astype(float).tolist()
        if len(y) == 2 and y[0] == y[1]:
            seen["across"].append(y[0])
        if str(line.get_marker()) not in ("None", "none", "", " "):
            points = list(zip(x, y, strict=True))
            every = line.get_markevery()
            some = every is not None and not isinstance(every, (float, tuple))
            picked = np.arange(len(points))[::every] if isinstance(every, int) else every
            seen["markers"].append([points[at] for at in picked] if some else points)
        if line.get_linestyle() not in ("None", "none", "", " ") and len(x) > 2:
            seen["lines"].append(list(zip(x, y, strict=True)))
    for drawn in axes.collections:
        corners = [path.vertices.tolist() for path in drawn.get_paths()]
        flat = [c for c in corners if len(c) == 2 and c[0][1] == c[1][1] and c[0][0] != c[1][0]]
        seen["across"] += [float(corner[0][1]) for corner in flat]
        if not flat:
            points = drawn.get_offsets().tolist()
            seen["markers"].append([(float(x), float(y)) for x, y in points if x is not None])
    seen["axes"] = len(figure.axes)
    seen["labels"] = [axes.get_xlabel(), axes.get_ylabel()]
    seen["title"] = (
        axes.get_title()
        or axes.get_title("left")
        or axes.get_title("right")
        or figure.get_suptitle()
    )
    plt.close(figure)
    return seen


# %% nbgrader={"schema_version": 3, "grade_id": "q8_drawn", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
def _is_there(_point, _points):
    return any(abs(_point[0] - _x) < 1e-6 and abs(_point[1] - _y) < 1e-6 for _x, _y in _points)


def _look(_far, _limit, _days):
    """Name what is missing from the figure of these numbers; nothing if all is there."""
    _seen = seen_in(alert_figure(_far, _limit, _days))
    _alerts = [(_day, _far[_day]) for _day in _days]
    _sets = [_set for _set in _seen["markers"] if all(_is_there(_p, _alerts) for _p in _set)]
    _there = {
        "line": any(
            all(_is_there(_p, _line) for _p in enumerate(_far)) for _line in _seen["lines"]
        ),
        "limit": any(abs(_height - _limit) < 1e-6 for _height in _seen["across"]),
        "markers": all(any(_is_there(_one, _set) for _set in _sets) for _one in _alerts),
        "day": "day" in _seen["labels"][0].lower(),
        "labels": all(_text.strip() for _text in _seen["labels"]),
        "one": _seen["axes"] == 1,
        "title": _seen["title"].strip() != "",
    }
    return {_what for _what, _fine in _there.items() if not _fine}


_missing = _look([0.1, 0.2, 0.15, 0.6, 0.7], 0.4, [3])
assert "line" not in _missing, "In the figure no line goes through the distances day by day."
assert "limit" not in _missing, "In the figure no straight line stands at the limit."
assert "markers" not in _missing, (
    "In the figure an alert has no marker of its own at its day and distance. One on every day tells nobody which of them are alerts."
)
assert "day" not in _missing, "The label of the x axis lacks the word day."
assert "labels" not in _missing, "An axis has no label."
assert "one" not in _missing, "The figure has more than one pair of axes."
assert "title" not in _missing, "The figure has no title."
### BEGIN HIDDEN TESTS
### HINT The figure follows its arguments: other distances, another limit, several alerts or none.
_far = [round(0.05 + 0.01 * ((7 * _n) % 23), 3) for _n in range(40)]
assert not _look(_far, 0.33, [4, 19, 38])
assert not _look(_far, 0.21, [])
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "shown_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### What you have to show
#
# The year that nobody watched, watched.

# %% nbgrader={"schema_version": 3, "grade_id": "given_shown", "grade": false, "solution": false, "locked": true, "task": false}
alerts = watch(history, year)
score = drift.score_alerts([day for day, _ in alerts], events, days=DAYS)
print(f"noticed: {len(score.noticed)} of {len(events)}, after {score.delay:.1f} days on average")
print(f"false alarms: {score.false_alarms_a_month:.1f} a month")
print(f"the bill: {bill(alerts, events):,} (nobody watches: {bill([], events):,})")
for name, (first, last) in events.items():
    told = [
        f"{column} (day {day})" for day, column in alerts if first <= day <= min(last, first + 27)
    ]
    print(f"  {name:15} from day {first:3}: {', '.join(told[:4]) or 'nothing'}")

was, now = (count_cells(frame, "distance_km", history) for frame in (history, year))
far = [distance(usual(was, day), now[day], True) for day in range(DAYS)]
figure = alert_figure(
    far, limit(was, True), [day for day, column in alerts if column == "distance_km"]
)
figure

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q9_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 9 · Monday morning (marked by a person)
#
# On day 160 your detector pages: waiting times, surge and hours have moved in every zone, and half as many trips come in as usual. The labels of the last three days aren't known yet. The head of operations asks: *is the model still good, and do we train again tonight?* Answer in at most 200 words. Say
#
# - what you know now, what you can't know yet, and on which day you will;
# - what you do tonight instead of, or before, training again, and what would make you switch the model off;
# - which of your detector's choices (limit, windows, columns) you would change after this year, and what that would cost in false alarms or in delay.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q9", "grade": true, "solution": true, "locked": false, "points": 4, "task": false}
# ### BEGIN SOLUTION
# Known: the inputs have moved in every zone and the number of trips has halved, far beyond season and weather; so it isn't one broken source. Not known: whether the relation between inputs and cancellations holds, because labels are late (half within about a day, nearly all within a week); the check against the promise of Question 7 has enough rows after some days, and an estimate without labels assumes just what is in doubt (2 points: inputs against relation 1, the labels' date 1).
#
# Tonight: find out what happened (call, don't compute), check data quality, fall back to a safe rule or widen the margin of decisions where a wrong chance is expensive; don't train on three days without labels, nor on a mix of before and after. Switch off if the observed share leaves the promise by more than four standard errors, or if decisions can't wait for that (1 point).
#
# A choice with its price: a lower limit notices fare changes earlier and pages more often in quiet months; a longer window sees smaller moves later; leaving out columns that the model doesn't use saves pages and misses broken sources (1 point for any, with its price).
# ### END SOLUTION
