"""Classes of the student's room as fields of a test's own pydantic models.

Pydantic asks a type how its values are validated and written out. A handle has the student's room
do both: by an adapter of the class there, or, where pydantic knows nothing of the class and the
test allows that, by whether a value is an object of it.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from autograder.handles import describe, number_of
from autograder.wire_abilities import CLASS_BIT

__all__ = ["SCHEMAS"]

_get: Callable[[Any, str], Any] = object.__getattribute__
_WISHES = (
    *("include", "exclude", "context", "by_alias", "exclude_unset", "exclude_defaults"),
    *("exclude_none", "round_trip"),
)


def _core_schema(self: Any, source: Any, handler: Callable[[Any], Any]) -> Any:
    """Say how values are validated and written out that are to be of a class."""
    link, core = _get(self, "_link"), sys.modules["pydantic_core.core_schema"]
    if source is not self:
        raise link.refuse(self, "isn't what a test's own pydantic type is annotated with")
    link.claim(f"what values {describe(self)} takes in a test's own pydantic type")
    there = link.ask("module", "pydantic")
    try:
        adapter = link.ask("call", link.ask("get", there, "TypeAdapter"), self)
    except sys.modules["pydantic.errors"].PydanticSchemaGenerationError:
        handler(source)  # raises that error where the test doesn't allow such classes
        return core.is_instance_schema(self)

    unexpected = sys.modules["pydantic_core"].PydanticSerializationUnexpectedValue
    is_class = _get(self, "_mask") & CLASS_BIT

    def validate(value: Any, info: Any) -> Any:
        if info.mode != "json":
            return adapter.validate_python(value, context=info.context)
        return adapter.validate_json(json.dumps(value), context=info.context)

    def write(value: Any, info: Any) -> Any:
        if number_of(value) is not None and is_class and not isinstance(value, self):
            raise unexpected(describe(value))  # which has a union try another of its types
        wishes = {name: getattr(info, name, None) for name in _WISHES}
        given = {name: wish for name, wish in wishes.items() if wish is not None}
        return adapter.dump_python(value, mode=info.mode, **given)

    return core.with_info_plain_validator_function(
        validate, serialization=core.plain_serializer_function_ser_schema(write, info_arg=True)
    )


def _json_schema(self: Any, *_: Any) -> Any:
    """Refuse to describe a class as a part of a test's own type."""
    raise _get(self, "_link").refuse(self, "isn't described in a JSON schema of a test's own type")


SCHEMAS: dict[str, Callable[..., Any]] = {
    "__get_pydantic_core_schema__": _core_schema,
    "__get_pydantic_json_schema__": _json_schema,
}
"""What pydantic asks a type for."""
