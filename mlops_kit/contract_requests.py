"""A contract as the schema of a request: one pydantic model, made once for equal contracts."""

import functools
import importlib
import keyword
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mlops_kit.contract_checks import OPERATORS
from mlops_kit.contract_kinds import is_whole_text
from mlops_kit.errors import MissingToolError

if TYPE_CHECKING:
    from mlops_kit.contracts import Column, Contract

__all__ = ["request_model"]

_INT_END = 2**63 - 1
# Without it, digits alone would be read as seconds since 1970.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@functools.lru_cache(maxsize=128)
def request_model(contract: "Contract") -> Any:
    """Make the model of one row; see :meth:`mlops_kit.contracts.Contract.request_model`."""
    try:
        pydantic = importlib.import_module("pydantic")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"requests are checked with pydantic, and {error.name!r} isn't installed. "
            "Install it with: pip install 'mlops-kit[data]'"
        ) from error
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for place, column in enumerate(contract.columns):
        safe = _is_safe(column.name, pydantic.BaseModel)
        names[column.name] = column.name if safe else f"column_{place}"
        fields[names[column.name]] = _field(pydantic, column)
    validators = {
        f"rule_{place}": pydantic.model_validator(mode="after")(
            _relation(names[left], symbol, names[right], rule)
        )
        for place, (rule, (left, symbol, right)) in enumerate(
            zip(contract.rules, contract.relations, strict=True)
        )
    }
    config = pydantic.ConfigDict(
        extra=contract.extra,
        frozen=True,
        serialize_by_alias=True,
        title=contract.name,
        json_schema_extra={"examples": [contract.example()]},
    )
    title = "".join(part.capitalize() for part in _words(contract.name)) or "Data"
    return pydantic.create_model(
        f"{title}Row", __config__=config, __validators__=validators, **fields
    )


def _words(name: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in name).split()


def _is_safe(name: str, base: type) -> bool:
    usable = name.isidentifier() and not keyword.iskeyword(name)
    own = hasattr(base, name) or name.startswith(("_", "model_", "column_", "rule_"))
    return usable and not own


def _field(pydantic: Any, column: "Column") -> tuple[Any, Any]:
    settings: dict[str, Any] = {"alias": column.name}
    words = [column.note, f"in {column.unit}" if column.unit else ""]
    if any(words):
        settings["description"] = ", ".join(filter(None, words))
    if column.personal:
        settings["json_schema_extra"] = {"x-personal": True}
    kind = _type(pydantic, column)
    if column.nullable:
        return kind | None, pydantic.Field(default=None, **settings)
    return kind, pydantic.Field(**settings)


def _type(pydantic: Any, column: "Column") -> Any:
    """Give the type of one value, as strict as the check on tables."""
    limits = {"ge": column.minimum, "le": column.maximum}
    if column.dtype == "datetime":
        within = functools.partial(_within, column.minimum, column.maximum)
        return Annotated[
            datetime, pydantic.BeforeValidator(_time_text), pydantic.AfterValidator(within)
        ]
    if column.allowed is not None:
        literal: Any = Literal.__getitem__(column.allowed)
        if column.dtype == "int":
            return Annotated[literal, pydantic.BeforeValidator(_whole)]
        if column.dtype == "bool":
            return Annotated[literal, pydantic.BeforeValidator(_truth)]
        return literal
    if column.dtype == "int":
        ends = {
            "ge": -_INT_END - 1 if column.minimum is None else column.minimum,
            "le": _INT_END if column.maximum is None else column.maximum,
        }
        return Annotated[int, pydantic.Field(strict=True, **ends), pydantic.BeforeValidator(_whole)]
    if column.dtype == "float":
        return Annotated[float, pydantic.Field(strict=True, allow_inf_nan=False, **limits)]
    if column.dtype == "str":
        return Annotated[str, pydantic.Field(strict=True), pydantic.AfterValidator(_encodable)]
    return Annotated[bool, pydantic.Field(strict=True)]


def _encodable(value: str) -> str:
    if not is_whole_text(value):
        raise ValueError("the text holds half a character (a lone surrogate), which no file keeps")
    return value


def _whole(value: Any) -> Any:
    """Take a whole number that arrives as a float, as numbers of a frame's row do."""
    if isinstance(value, bool):
        raise ValueError("a whole number is wanted, this is a truth value")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _truth(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("a truth value is wanted")
    return value


def _time_text(value: Any) -> Any:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("a time is written as text, such as 2025-01-06T08:00:00")
    return value


def _within(low: datetime | None, high: datetime | None, value: datetime) -> datetime:
    """Turn a time with an offset into UTC, and see that it is in the range."""
    moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if low is not None and moment < low:
        raise ValueError(f"the time must be at least {low.isoformat()}")
    if high is not None and moment > high:
        raise ValueError(f"the time must be at most {high.isoformat()}")
    return moment


def _relation(left: str, symbol: str, right: str, rule: str) -> Callable[[Any], Any]:
    compare = OPERATORS[symbol]

    def holds(row: Any) -> Any:
        pair = getattr(row, left), getattr(row, right)
        if None not in pair and not compare(*pair):
            raise ValueError(f"the rule {rule!r} is broken")
        return row

    return holds
