"""What a table promises, declared once: its checks, its report and the service's request schema."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops_kit.contract_checks import ContractReport, Violation, check_frame, pandera_schema
from mlops_kit.contract_columns import DTYPES, Column, drafted, example
from mlops_kit.contract_requests import request_model
from mlops_kit.errors import DataError

__all__ = ["CONTRACT_TAG", "Column", "Contract", "ContractReport", "DTYPES", "Violation"]

CONTRACT_TAG = "mlops_kit.contract"
"""Under which tag a registered version carries its contract, as JSON."""

_RULE = re.compile(r"^\s*(?P<left>.+?)\s*(?P<operator><=|>=|==|!=|<|>)\s*(?P<right>.+?)\s*$")


@dataclass(frozen=True)
class Contract:
    """What a table promises, declared once for training, checks and the service.

    Parameters
    ----------
    columns : sequence of Column
        The columns; a frame may have them in any order.
    name : str, default="data"
        What the table is called in reports.
    rules : sequence of str, default=()
        Relations between two columns that hold in every row where both are there, such as
        ``"pickup_time <= label_time"``, with ``<``, ``<=``, ``==``, ``!=``, ``>=`` or ``>``.
    unique : sequence of str, default=()
        Columns that together are different in every row.
    extra : {"forbid", "ignore"}, default="forbid"
        Whether a column that isn't declared breaks the contract.
    min_rows : int, default=1
        How many rows a table must have at least.

    Raises
    ------
    DataError
        If the declaration contradicts itself; the message says where.

    Notes
    -----
    Taught in @sec-data, and used for requests in @sec-serve.

    Examples
    --------
    >>> trips = Contract(
    ...     [Column("zone", "str", allowed=("zone-01", "zone-02")),
    ...      Column("distance_km", "float", minimum=0, maximum=100)],
    ...     name="trips",
    ... )
    >>> report = trips.check(pd.DataFrame({"zone": ["zone-01", "moon"], "distance_km": [3, -1]}))
    >>> report.ok
    False
    >>> print(report)
    trips: 2 rules broken in 2 rows
      zone: is one of 'zone-01', 'zone-02': broken in 1 row, first row 1 ('moon')
      distance_km: is at least 0: broken in 1 row, first row 1 (-1)
    """

    columns: tuple[Column, ...]
    name: str = "data"
    rules: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    extra: str = "forbid"
    min_rows: int = 1

    def __post_init__(self) -> None:
        for key in ("columns", "rules", "unique"):
            value = getattr(self, key)
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise DataError(f"contract {self.name!r}: {key} must be a list, got {value!r}.")
            object.__setattr__(self, key, tuple(value))
        if not self.columns or not all(isinstance(column, Column) for column in self.columns):
            raise DataError(
                f"contract {self.name!r}: columns must be Column(name, dtype), at least one."
            )
        doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        if doubled:
            raise DataError(
                f"contract {self.name!r} declares {', '.join(doubled)} twice; keep one."
            )
        if self.extra not in ("forbid", "ignore"):
            raise DataError(
                f"contract {self.name!r}: extra must be forbid or ignore, got {self.extra!r}."
            )
        if type(self.min_rows) is not int or self.min_rows < 0:
            raise DataError(
                f"contract {self.name!r}: min_rows must be 0 or more, got {self.min_rows!r}."
            )
        self._check_names()

    def _check_names(self) -> None:
        kinds = {column.name: column.dtype for column in self.columns}
        absent = [name for name in self.unique if name not in kinds]
        if absent:
            raise DataError(
                f"contract {self.name!r}: unique names {absent[0]!r}, which isn't a column."
            )
        for rule, (left, _, right) in zip(self.rules, self.relations, strict=True):
            pair = [kinds.get(name) for name in (left, right)]
            if None in pair:
                raise DataError(
                    f"contract {self.name!r}: the rule {rule!r} must name two columns, such as "
                    "'pickup_time <= label_time'. A limit for one column is its range."
                )
            if pair[0] != pair[1] and not set(pair) <= {"int", "float"}:
                raise DataError(
                    f"contract {self.name!r}: the rule {rule!r} compares {pair[0]} with {pair[1]}."
                )

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the order of the declaration."""
        return tuple(column.name for column in self.columns)

    @property
    def personal(self) -> tuple[str, ...]:
        """The names of the columns that say something about a person."""
        return tuple(column.name for column in self.columns if column.personal)

    @property
    def relations(self) -> tuple[tuple[str, str, str], ...]:
        """The rules, each as the left column, the operator and the right column."""
        found = []
        for rule in self.rules:
            match = _RULE.match(str(rule))
            if match is None:
                raise DataError(
                    f"contract {self.name!r}: the rule {rule!r} compares nothing; write it as "
                    "'pickup_time <= label_time'."
                )
            found.append((match["left"], match["operator"], match["right"]))
        return tuple(found)

    def check(self, frame: pd.DataFrame, *, examples: int = 5) -> ContractReport:
        """Check a table against every rule, and report all that are broken, not just the first.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_rows, n_columns)
            Any table; it is left as it is. Columns may stand in any order.
        examples : int, default=5
            How many broken rows to show for each rule.

        Returns
        -------
        ContractReport
            ``report.ok`` says whether the contract is kept.

        Raises
        ------
        DataError
            If it isn't a DataFrame.
        """
        return check_frame(self, frame, examples=examples)

    def schema(self) -> Any:
        """Give the contract as a ``pandera.pandas.DataFrameSchema``, for tools that take one."""
        return pandera_schema(self)

    def request_model(self) -> Any:
        """Give the pydantic model of one row, which rejects what :meth:`check` would report.

        Returns
        -------
        type[pydantic.BaseModel]
            Fields are named as the columns (by alias, where a name is no Python identifier);
            ``model_dump()`` gives the row with the columns' names. A nullable column may be left
            out. Text isn't read as a number, truth isn't one, and a time must be ISO 8601 text.
            Made once for equal contracts.
        """
        return request_model(self)

    def without(self, *names: str) -> "Contract":
        """Leave columns out, such as the label that a request can't know, and what needs them.

        Raises
        ------
        DataError
            If a name isn't a column, or no column is left.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            raise DataError(
                f"contract {self.name!r} has no column {absent[0]!r}; there: "
                f"{', '.join(self.names)}."
            )
        pairs = zip(self.rules, self.relations, strict=True)
        return Contract(
            columns=tuple(column for column in self.columns if column.name not in names),
            name=self.name,
            rules=tuple(rule for rule, (left, _, right) in pairs if not {left, right} & {*names}),
            unique=self.unique if not {*self.unique} & {*names} else (),
            extra=self.extra,
            min_rows=self.min_rows,
        )

    def example(self) -> dict[str, Any]:
        """Make up one valid row, as JSON has it; no value comes from data.

        Rules between columns are kept where equal values keep them.
        """
        return {column.name: example(column) for column in self.columns}

    def to_dict(self) -> dict[str, Any]:
        """Give the declaration, ready for JSON or YAML."""
        return {
            "name": self.name,
            "columns": [column.to_dict() for column in self.columns],
            "rules": list(self.rules),
            "unique": list(self.unique),
            "extra": self.extra,
            "min_rows": self.min_rows,
        }

    @classmethod
    def from_dict(cls, declared: Mapping[str, Any]) -> "Contract":
        """Read what :meth:`to_dict` gave.

        Raises
        ------
        DataError
            If something is missing, unknown or contradictory.
        """
        if not isinstance(declared, Mapping) or not isinstance(declared.get("columns"), list):
            raise DataError("a contract is a mapping with a list of columns, each name and dtype.")
        try:
            columns = [Column(**column) for column in declared["columns"]]
            return cls(**{**declared, "columns": columns})
        except TypeError as error:
            wrong = re.sub(r"^.*__init__\(\) ", "", str(error))
            raise DataError(f"the contract can't be read: {wrong}.") from error

    @classmethod
    def infer(
        cls,
        frame: pd.DataFrame,
        *,
        name: str = "data",
        margin: float = 0.5,
        categories: int = 20,
        personal: Sequence[str] = (),
    ) -> "Contract":
        """Draft a contract from a table; read it and tighten it before you rely on it.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_rows, n_columns)
            A clean table; the contract holds for it.
        name : str, default="data"
            What the table is called.
        margin : float, default=0.5
            By how much of its span a number's range goes beyond what was seen, on each side; it
            doesn't cross 0. Times get no range: tomorrow's are new.
        categories : int, default=20
            Text with at most so many different values allows these only.
        personal : sequence of str, default=()
            Columns that say something about a person; no value of theirs goes into the contract.

        Raises
        ------
        DataError
            If the table is empty or holds something that no dtype describes.
        """
        if not isinstance(frame, pd.DataFrame) or frame.empty:
            raise DataError("Contract.infer: a pandas.DataFrame with rows and columns was wanted.")
        columns = [
            drafted(str(label), frame.iloc[:, place], margin, categories, str(label) in personal)
            for place, label in enumerate(frame.columns)
        ]
        return cls(columns=tuple(columns), name=name)
