"""What a service says about itself in OpenAPI, made from the contract of the model it serves."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_kit.contracts import Contract
from mlops_kit.serve_answers import PROBLEM_TYPE, STATUSES
from mlops_kit.serve_rows import BIGGEST

__all__ = ["add_predict"]

_ID = {"type": "string", "description": "Also in the X-Request-ID header and in the request log."}
_ANSWER = {"type": ["number", "integer", "boolean", "string", "array"]}
_PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": _ID,
        "total": {"type": "integer", "description": "How many problems there are."},
        "problems": {
            "type": "array",
            "description": "The first of them.",
            "items": {
                "type": "object",
                "required": ["row", "column", "rule", "found", "message"],
                "properties": {
                    "row": {"type": ["integer", "null"], "description": "Counted from 0."},
                    "column": {"type": ["string", "null"]},
                    "rule": {"type": "string"},
                    "found": {},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def add_predict(schema: dict[str, Any], contract: Contract, *, max_rows: int) -> dict[str, Any]:
    """Add ``POST /predict`` to an application's OpenAPI.

    Parameters
    ----------
    schema : dict
        OpenAPI 3.1 without it; it is left as it is.
    contract : Contract
        What a row promises.
    max_rows : int
        How many rows a request may hold.
    """
    full = copy.deepcopy(schema)
    row = _bounded(contract).request_model().model_json_schema()
    parts = full.setdefault("components", {}).setdefault("schemas", {})
    parts |= row.pop("$defs", {})
    parts["Row"] = row
    parts["Problem"] = copy.deepcopy(dict(_PROBLEM))
    parts["Rows"] = {
        "type": "object",
        "title": "Rows",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {
            "rows": {
                "type": "array",
                "minItems": 1,
                "items": _ref("Row"),
                # Not maxItems: more rows keep the schema, and are answered by 413.
                "description": f"Up to {max_rows} rows.",
            }
        },
    }
    said = {"model": {"type": "string"}, "version": {"type": "string"}, "request_id": _ID}
    many = {"type": "array", "items": _ANSWER}
    for title, key, kind in (
        ("Prediction", "prediction", _ANSWER), ("Predictions", "predictions", many),
    ):  # fmt: skip
        parts[title] = {
            "type": "object", "title": title, "required": [key, *said],
            "additionalProperties": False, "properties": {key: kind, **said},
        }  # fmt: skip
    full["paths"]["/predict"] = {"post": _operation(contract)}
    return full


def _bounded(contract: Contract) -> Contract:
    """State the ends that hold for every number, so that the schema doesn't promise more."""
    columns = tuple(
        replace(
            column,
            minimum=-BIGGEST if column.minimum is None else max(column.minimum, -BIGGEST),
            maximum=BIGGEST if column.maximum is None else min(column.maximum, BIGGEST),
        )
        if column.dtype == "float"
        else column
        for column in contract.columns
    )
    return replace(contract, columns=columns)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(contract: Contract) -> dict[str, Any]:
    row = contract.example()
    either = {"anyOf": [_ref("Row"), _ref("Rows")]}
    answers = {"oneOf": [_ref("Prediction"), _ref("Predictions")]}
    said = {"model": "rides", "version": "3", "request_id": "a41c0d93e2b7-1f"}
    responses = {
        "200": {
            "description": "One answer, or one for each row in the order of the request",
            "content": {
                "application/json": {
                    "schema": answers,
                    "examples": {
                        "one": {"value": {"prediction": 0.5, **said}},
                        "many": {"value": {"predictions": [0.5, 0.25], **said}},
                    },
                }
            },
        }
    }
    for status, words in STATUSES.items():
        content = {PROBLEM_TYPE: {"schema": _ref("Problem")}}
        responses[str(status)] = {"description": words, "content": content}
    return {
        "summary": "Predict one row or many",
        "operationId": "predict",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": either,
                    "examples": {"one": {"value": row}, "many": {"value": {"rows": [row, row]}}},
                }
            },
        },
        "responses": responses,
    }
