"""A contract's checks on a table, run by pandera, and the report of every rule that is broken."""

import difflib
import functools
import importlib
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops_kit.contract_kinds import KINDS, comparable, has_kind, without_half_text
from mlops_kit.errors import DataError, MissingToolError

if TYPE_CHECKING:
    from mlops_kit.contracts import Column, Contract

__all__ = ["ContractReport", "OPERATORS", "Violation", "check_frame", "pandera_schema"]

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
THERE, DECLARED, ONCE, PRESENT = "is there", "is declared", "is there once", "isn't missing"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes
    ----------
    column : str
        Where; empty if the rule is about the whole table or several columns.
    rule : str
        What should be true, such as "is at least 0".
    count : int
        In how many rows it isn't; 0 if the rule isn't about rows.
    rows : tuple of int
        The first of them, counted from 0 by position.
    values : tuple of str
        What stands there; "(personal)" instead of a value about a person.
    note : str
        What may be the reason.
    """

    column: str
    rule: str
    count: int = 0
    rows: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        about = f"{self.column}: {self.rule}" if self.column else self.rule
        if self.rows:
            shown = [f"{row} ({v})" for row, v in zip(self.rows, self.values, strict=True)]
            rows = f"{self.count:,} row" + "s" * (self.count != 1)
            first = "first row" + "s" * (len(shown) != 1)
            about += f": broken in {rows}, {first} {', '.join(shown)}"
        return f"{about}; {self.note}" if self.note else about


@dataclass(frozen=True, slots=True)
class ContractReport:
    """Every rule of a contract that a table breaks, in the order of the declaration."""

    contract: str
    rows: int
    violations: tuple[Violation, ...]

    @property
    def ok(self) -> bool:
        """Whether the contract is kept."""
        return not self.violations

    def __str__(self) -> str:
        rows = f"{self.rows:,} row" + "s" * (self.rows != 1)
        if self.ok:
            return f"{self.contract}: the contract is kept in {rows}"
        rules = f"{len(self.violations)} rule" + "s" * (len(self.violations) != 1)
        lines = [f"{self.contract}: {rules} broken in {rows}"]
        return "\n".join([*lines, *(f"  {violation}" for violation in self.violations)])

    def to_dict(self) -> dict[str, Any]:
        """Give the report, ready for JSON."""
        violations = [
            asdict(violation) | {"rows": list(violation.rows), "values": list(violation.values)}
            for violation in self.violations
        ]
        return {
            "contract": self.contract, "ok": self.ok, "rows": self.rows, "violations": violations,
        }  # fmt: skip

    def require(self) -> None:
        """Raise the report as a DataError if the contract is broken."""
        if not self.ok:
            raise DataError(str(self))


def check_frame(contract: "Contract", frame: pd.DataFrame, *, examples: int) -> ContractReport:
    """Check a table against a contract; see :meth:`mlops_kit.contracts.Contract.check`."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"contract {contract.name!r}: a pandas.DataFrame was wanted, got "
            f"{type(frame).__name__}. Turn it into one, with named columns."
        )
    table = frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True)
    doubled = table.columns[table.columns.duplicated()].unique()
    found = [Violation(name, ONCE, note="two columns have this name") for name in doubled]
    table = without_half_text(table.loc[:, ~table.columns.duplicated()])
    if len(table) < contract.min_rows:
        rule = f"the table has at least {contract.min_rows} rows"
        found.append(Violation("", rule, note=f"it has {len(table)}"))
    pandera = _load_pandera()
    try:
        pandera_schema(contract).validate(table, lazy=True)
    except pandera.errors.SchemaErrors as error:
        found += _violations(contract, table, error.failure_cases, examples)
    return ContractReport(contract.name, len(table), tuple(found))


def _load_pandera() -> Any:
    try:
        return importlib.import_module("pandera.pandas")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"contracts are checked with pandera, and {error.name!r} isn't installed. "
            "Install it with: pip install 'mlops-kit[data]'"
        ) from error


@functools.lru_cache(maxsize=128)
def pandera_schema(contract: "Contract") -> Any:
    """Build the pandera schema of a contract; see :meth:`mlops_kit.contracts.Contract.schema`."""
    pandera = _load_pandera()
    columns = {
        column.name: pandera.Column(
            None,
            [pandera.Check(check, name=rule) for rule, check in _column_rules(column)],
            nullable=column.nullable,
            metadata={"personal": column.personal, "unit": column.unit},
            description=column.note or None,
        )
        for column in contract.columns
    }
    relations = [
        pandera.Check(functools.partial(_relation_holds, contract, *parts), name=rule)
        for rule, parts in zip(contract.rules, contract.relations, strict=True)
    ]
    return pandera.DataFrameSchema(
        columns,
        checks=relations,
        strict=contract.extra == "forbid",
        unique=list(contract.unique) or None,
        name=contract.name,
    )


def _column_rules(column: "Column") -> Iterator[tuple[str, Callable[[pd.Series], pd.Series]]]:
    """Yield what a column promises of each value, in words and as a check."""
    yield KINDS[column.dtype], functools.partial(has_kind, column.dtype)
    if column.allowed is not None:
        values = ", ".join(repr(value) for value in column.allowed[:8])
        more = f" and {len(column.allowed) - 8} more" if len(column.allowed) > 8 else ""
        isin = functools.partial(_is_allowed, frozenset(column.allowed))
        yield f"is one of {values}{more}", functools.partial(_of_kind, column.dtype, isin)
    for words, compare, end in (
        ("is at least", operator.ge, column.minimum),
        ("is at most", operator.le, column.maximum),
    ):
        if end is not None:
            check = functools.partial(_compares, compare, end)
            yield f"{words} {end}", functools.partial(_of_kind, column.dtype, check)


def _is_allowed(allowed: frozenset[Any], values: pd.Series) -> pd.Series:
    return values.isin(list(allowed))


def _compares(compare: Callable[[Any, Any], Any], end: Any, values: pd.Series) -> Any:
    return compare(values, end)


def _of_kind(dtype: str, check: Callable[[pd.Series], pd.Series], series: pd.Series) -> pd.Series:
    """Apply a check to the values of the right kind; the others break another rule already."""
    verdict = pd.Series(True, index=series.index)
    usable = series.notna() & has_kind(dtype, series)
    verdict[usable] = check(comparable(dtype, series[usable])).to_numpy(dtype=bool)
    return verdict


def _relation_holds(
    contract: "Contract", left: str, symbol: str, right: str, table: pd.DataFrame
) -> pd.Series:
    verdict = pd.Series(True, index=table.index)
    if left not in table or right not in table:
        return verdict
    kinds = {name: contract[name].dtype for name in (left, right)}
    usable = verdict.copy()
    for name, kind in kinds.items():
        usable &= table[name].notna() & has_kind(kind, table[name])
    pair = [comparable(kinds[name], table.loc[usable, name]) for name in (left, right)]
    verdict[usable] = OPERATORS[symbol](*pair).to_numpy(dtype=bool)
    return verdict


def _violations(
    contract: "Contract", table: pd.DataFrame, cases: pd.DataFrame, examples: int
) -> list[Violation]:
    """Turn pandera's list of failures into one violation a rule."""
    found: dict[tuple[str, str], Violation] = {}
    absent = [name for name in contract.names if name not in table]
    extra = [name for name in table.columns if name not in contract.names]
    keys = [cases["schema_context"], cases["column"], cases["check"]]
    for (context, place, check), group in cases.groupby(keys, sort=False, dropna=False):
        names = [str(place)]
        rows = sorted(set(group["index"].dropna()))
        if check == "column_in_dataframe":
            for name in map(str, group["failure_case"]):
                note = _renamed(name, extra)
                found[name, THERE] = Violation(name, THERE, note=note)
            continue
        if check == "column_in_schema":
            for name in map(str, group["failure_case"]):
                found[name, DECLARED] = Violation(name, DECLARED, note=_renamed(name, absent))
            continue
        rule, where = str(check), str(place)
        if check == "not_nullable":
            rule = PRESENT
        elif check == "multiple_fields_uniqueness":
            names, where = list(contract.unique), ""
            rule = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} different in each"
        elif context == "DataFrameSchema":
            left, _, right = contract.relations[contract.rules.index(rule)]
            names, where = [left, right], ""
        shown = [int(row) for row in rows[:examples]]
        values = tuple(_shown(contract, table, names, row) for row in shown)
        found[where, rule] = Violation(where, rule, len(rows), tuple(shown), values)
    order = {name: place for place, name in enumerate(contract.names)}
    return sorted(found.values(), key=lambda entry: order.get(entry.column, len(order)))


def _renamed(name: str, others: Iterable[str]) -> str:
    folded = {other.strip().casefold(): other for other in others}
    near = difflib.get_close_matches(name.strip().casefold(), folded, n=1, cutoff=0.6)
    return f"{folded[near[0]]!r} may be the same under another name" if near else ""


def _shown(contract: "Contract", table: pd.DataFrame, names: list[str], row: int) -> str:
    texts = []
    for name in names:
        value = table[name].array[row]
        plain = value.item() if isinstance(value, np.generic) and hasattr(value, "item") else value
        text = "missing" if pd.api.types.is_scalar(plain) and pd.isna(plain) else repr(plain)
        if isinstance(plain, datetime) and text != "missing":
            text = plain.isoformat()
        text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        texts.append("(personal)" if contract[name].personal else text)
    return ", ".join(texts)
