"""JSON rows into NumPy columns, checked against a contract, in one pass and without a frame.

A service sees many small requests; building a frame for each costs more than the prediction. Here
the contract is compiled once into plain checks. The quick way accepts what is plainly right; what
it can't accept goes the careful way, which alone decides, and names row, column and rule.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlops_kit.contract_checks import OPERATORS
from mlops_kit.contract_kinds import is_whole_text
from mlops_kit.contracts import Column, Contract
from mlops_kit.errors import DataError

__all__ = ["Problem", "RejectedRowsError", "Row", "RowChecker", "Table"]

Row = Mapping[str, Any]
Table = NDArray[np.float64] | dict[str, NDArray[Any]]

# Many models compute in single precision; a number beyond it would be infinite to them.
BIGGEST = float(np.finfo(np.float32).max)
MAX_PROBLEMS = 20
_SHOWN = 60
_WHOLE = 2**63 - 1
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TYPES: Mapping[str, frozenset[type]] = {
    "float": frozenset({float, int}),
    "int": frozenset({int}),
    "bool": frozenset({bool}),
    "str": frozenset({str}),
    "datetime": frozenset(),
}
_WANTED: Mapping[str, str] = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a text without half characters",
    "datetime": "a time such as '2025-01-06T08:00:00'",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a request breaks.

    Attributes
    ----------
    row : int or None
        Which row, counted from 0; None where the request as a whole is wrong.
    column : str or None
        Which column; None where the row as a whole is wrong.
    rule : str
        ``missing``, ``unknown``, ``null``, ``type``, ``allowed``, ``minimum``, ``maximum``, a
        rule of the contract such as ``"pickup_time <= label_time"``, ``row``, ``rows`` or ``body``.
    found : object
        What the request held, shortened.
    message : str
        All of it as a sentence.
    """

    row: int | None
    column: str | None
    rule: str
    found: Any
    message: str


class RejectedRowsError(DataError):
    """A request breaks the contract; ``problems`` are the first of them, ``total`` their count."""

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems[:MAX_PROBLEMS])
        self.total = len(problems) if total is None else total
        super().__init__(" ".join(problem.message for problem in self.problems[:3]))


class RowChecker:
    """The checks of one contract, compiled.

    Parameters
    ----------
    contract : Contract
        What a row promises.
    features : sequence of str, optional
        The columns that :meth:`table` gives, in the order in which the model takes them; all of
        the contract's by default.
    matrix : bool, default=False
        Whether :meth:`table` gives one array of numbers instead of a mapping of columns.
    max_rows : int, default=1000
        How many rows a request may hold.

    Raises
    ------
    DataError
        If a feature isn't in the contract, or a matrix is wanted of texts or times.

    Notes
    -----
    Taught in @sec-serve. Numbers in text ("3.5") aren't numbers, true isn't 1, and 3.0 is a whole
    number. Columns come in any order; a nullable one may be left out. Numbers beyond ±3.4e38, the
    largest in single precision, are refused.

    Examples
    --------
    >>> contract = Contract([Column("km", "float", minimum=0), Column("zone", "str")])
    >>> checker = RowChecker(contract)
    >>> checker.table(checker.rows({"km": 3, "zone": "north"}))["km"]
    array([3.])
    >>> checker.table(checker.rows({"rows": [{"km": 3, "zone": "north"}, {"km": -1}]}))
    Traceback (most recent call last):
    mlops_kit.serve_rows.RejectedRowsError: row 1, km: -1 is below 0, the lowest allowed. ...
    """

    def __init__(
        self,
        contract: Contract,
        *,
        features: Sequence[str] | None = None,
        matrix: bool = False,
        max_rows: int = 1000,
    ) -> None:
        self.contract, self.matrix, self.max_rows = contract, matrix, max_rows
        self.columns = {column.name: column for column in contract.columns}
        self.features = tuple(contract.names if features is None else features)
        absent = [name for name in self.features if name not in self.columns]
        if absent:
            raise DataError(
                f"the model takes {', '.join(map(repr, absent[:5]))}, which the contract "
                f"{contract.name!r} doesn't declare; it has {', '.join(contract.names)}."
            )
        if matrix and any(self.columns[n].dtype in ("str", "datetime") for n in self.features):
            raise DataError("a matrix holds numbers only; these features hold text or times.")
        self._width = len(self.columns)
        self._quick = [_quick_rule(column) for column in contract.columns]
        self._relations = tuple(zip(contract.rules, contract.relations, strict=True))

    def rows(self, body: Any) -> list[Row]:
        """Take the rows out of a request: one object, or ``{"rows": [object, ...]}``.

        Raises
        ------
        RejectedRowsError
            If it is neither, or there are no rows, or too many.
        """
        if type(body) is not dict:
            wanted = 'an object is wanted, either a row or {"rows": [row, ...]}'
            raise _whole("body", body, f"{wanted}; this is {_type_name(body)}.")
        if "rows" not in body or "rows" in self.columns:
            return [body]
        rows = body["rows"]
        if len(body) > 1:
            extra = ", ".join(sorted(repr(_short(name)) for name in body if name != "rows")[:5])
            raise _whole("body", None, f"beside 'rows' nothing else is wanted, there is {extra}.")
        if type(rows) is not list:
            raise _whole("rows", rows, f"'rows' must be a list, this is {_type_name(rows)}.")
        if not 1 <= len(rows) <= self.max_rows:
            message = f"a request holds 1 to {self.max_rows} rows, this has {len(rows)}."
            raise _whole("rows", len(rows), message)
        return rows

    def table(self, rows: Sequence[Row]) -> Table:
        """Check rows and turn them into columns.

        Parameters
        ----------
        rows : sequence of dict
            As JSON gave them.

        Returns
        -------
        numpy.ndarray of shape (n_rows, n_features), or dict of arrays of shape (n_rows,)
            Missing numbers are NaN, missing texts and truths None, missing times NaT.

        Raises
        ------
        RejectedRowsError
            If any row breaks the contract; every problem is counted, the first are named.
        """
        found = self._quick_columns(rows)
        if found is None:
            found = self._careful_columns(rows)
        if self.matrix:
            matrix = np.array([found[name] for name in self.features], dtype=np.float64)
            return np.ascontiguousarray(matrix.T)
        return {name: _array(self.columns[name], found[name]) for name in self.features}

    def _quick_columns(self, rows: Sequence[Row]) -> dict[str, list[Any]] | None:
        """Give the columns of rows that are plainly right, else None."""
        if self._relations:
            return None
        for row in rows:
            if type(row) is not dict or len(row) != self._width:
                return None
        try:
            found = {rule.name: [row[rule.name] for row in rows] for rule in self._quick}
        except KeyError:
            return None
        for rule in self._quick:
            if not _plainly_right(found[rule.name], rule):
                return None
        return found

    def _careful_columns(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in self.columns}
        problems: list[Problem] = []
        total = 0
        for number, row in enumerate(rows):
            broken = self._check_row(number, row, found)
            total += len(broken)
            problems += broken[: MAX_PROBLEMS - len(problems)]
        if total:
            raise RejectedRowsError(problems, total)
        return found

    def _check_row(self, number: int, row: Any, found: dict[str, list[Any]]) -> list[Problem]:
        if type(row) is not dict:
            message = f"row {number}: an object is wanted, this is {_type_name(row)}."
            return [Problem(number, None, "row", _short(row), message)]
        problems, kept = [], {}
        for name, column in self.columns.items():
            if name not in row and not column.nullable:
                message = f"row {number}: the column {name!r} is missing."
                problems.append(Problem(number, name, "missing", None, message))
                continue
            value = row.get(name)
            rule, kept[name] = _judge(column, value)
            found[name].append(kept[name])
            if rule is not None:
                message = f"row {number}, {name}: {_sentence(column, rule, value)}"
                problems.append(Problem(number, name, rule, _short(value), message))
        if self.contract.extra == "forbid":
            for name in row:
                if name not in self.columns:
                    message = f"row {number}: the contract has no column {_short(name)!r}."
                    problems.append(Problem(number, _short(name), "unknown", None, message))
        return problems or self._check_relations(number, kept)

    def _check_relations(self, number: int, kept: Row) -> list[Problem]:
        problems = []
        for rule, (left, operator, right) in self._relations:
            pair = (kept[left], kept[right])
            if None not in pair and not OPERATORS[operator](*pair):
                message = f"row {number}: {rule} doesn't hold for {pair[0]} and {pair[1]}."
                problems.append(Problem(number, left, rule, _short(pair[0]), message))
        return problems


def _whole(rule: str, found: Any, message: str) -> RejectedRowsError:
    return RejectedRowsError([Problem(None, None, rule, _short(found), message)])


class _QuickRule(NamedTuple):
    """What the quick way compares with; ``types`` is empty where only the careful way can tell."""

    name: str
    types: frozenset[type]
    nullable: bool
    low: Any
    high: Any
    allowed: frozenset[Any] | None


def _quick_rule(column: Column) -> _QuickRule:
    low, high = None, None
    if column.dtype in ("int", "float"):
        end = BIGGEST if column.dtype == "float" else _WHOLE
        low = -end if column.minimum is None else max(column.minimum, -end)
        high = end if column.maximum is None else min(column.maximum, end)
    allowed = None if column.allowed is None else frozenset(column.allowed)
    return _QuickRule(column.name, _TYPES[column.dtype], column.nullable, low, high, allowed)


def _plainly_right(values: list[Any], rule: _QuickRule) -> bool:
    _, types, nullable, low, high, allowed = rule
    for value in values:
        if type(value) not in types:
            if value is not None or not nullable:
                return False
        elif allowed is not None:
            if value not in allowed:
                return False
        elif low is not None:
            if not low <= value <= high:
                return False
        elif type(value) is str and not value.isascii():
            return False
    return True


def _judge(column: Column, value: Any) -> tuple[str | None, Any]:
    """Say which rule a value breaks, if any, and what is kept of it."""
    if value is None:
        return (None if column.nullable else "null"), None
    kept = _READERS[column.dtype](value)
    if kept is None:
        return "type", None
    if column.allowed is not None and kept not in column.allowed:
        return "allowed", None
    if column.minimum is not None and kept < column.minimum:
        return "minimum", None
    if column.maximum is not None and kept > column.maximum:
        return "maximum", None
    return None, kept


def _read_float(value: Any) -> float | int | None:
    if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
        return None
    return value if abs(value) <= BIGGEST else None


def _read_int(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_WHOLE - 1 <= value <= _WHOLE else None


def _read_bool(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _read_str(value: Any) -> str | None:
    return value if type(value) is str and is_whole_text(value) else None


def _read_datetime(value: Any) -> dt.datetime | None:
    """Read a time; one with an offset becomes UTC, as in the contract."""
    if type(value) is not str or len(value) > 40 or not _DATE.match(value):
        return None
    try:
        time = dt.datetime.fromisoformat(value.upper())
        return time if time.tzinfo is None else time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "float": _read_float,
    "int": _read_int,
    "bool": _read_bool,
    "str": _read_str,
    "datetime": _read_datetime,
}


def _sentence(column: Column, rule: str, value: Any) -> str:
    shown = repr(_short(value))
    if rule == "null":
        return f"null is not allowed, {_WANTED[column.dtype]} is wanted."
    if rule == "type" and column.dtype == "float" and type(value) in (int, float):
        return f"a finite number of at most 3.4e38 is wanted, this is {shown}."
    if rule == "type":
        return f"{_WANTED[column.dtype]} is wanted, this is {_type_name(value)}: {shown}."
    if rule == "allowed":
        allowed = column.allowed or ()
        known = ", ".join(repr(_short(entry)) for entry in allowed[:10])
        more = f" and {len(allowed) - 10} more" if len(allowed) > 10 else ""
        return f"{shown} is not one of {known}{more}."
    if rule == "minimum":
        return f"{shown} is below {column.minimum}, the lowest allowed."
    return f"{shown} is above {column.maximum}, the highest allowed."


def _type_name(value: Any) -> str:
    names = {
        dict: "an object", list: "a list", str: "a text", bool: "a truth value",
        int: "a number", float: "a number", type(None): "null",
    }  # fmt: skip
    return names.get(type(value), type(value).__name__)


def _short(value: Any) -> Any:
    """Keep an answer small and valid JSON, whatever the request held."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    if isinstance(value, dict | list):
        return f"{_type_name(value)} of {len(value)}"
    if isinstance(value, int | float) and not -BIGGEST <= value <= BIGGEST:
        return _short(str(value))
    return str(value) if isinstance(value, dt.datetime) else value


def _array(column: Column, values: list[Any]) -> NDArray[Any]:
    if column.dtype == "datetime":
        return np.array(values, dtype="datetime64[us]")
    if column.dtype == "float":
        return np.array(values, dtype=np.float64)
    if column.dtype == "str" or None in values:
        return np.array(values, dtype=np.float64 if column.dtype == "int" else object)
    return np.array(values, dtype=np.bool_ if column.dtype == "bool" else np.int64)
