"""Requests that Schemathesis makes up of the service's own OpenAPI."""

import warnings

import hypothesis
import pandas as pd
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase

from mlops_kit.contracts import Column, Contract
from mlops_kit.serve import create_app

CONTRACT = Contract(
    [
        Column("km", "float", minimum=0, maximum=100, unit="km"),
        Column("wait", "float", nullable=True),
        Column("hour", "int", minimum=0, maximum=23),
        Column("day", "int"),
        Column("wet", "bool"),
        Column("zone", "str", allowed=("north", "south")),
        Column("note", "str", nullable=True),
    ],
    name="trips",
)


def rule(rows: pd.DataFrame) -> pd.Series:
    return rows["km"] * (1 + rows["wet"].astype(float))


app = create_app(rule, contract=CONTRACT, max_rows=20)
# Too many rows are refused with 413 before anybody looks at their values.
REFUSED = [400, 404, 405, 413, 415, 422]
config = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}}
)
schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
schema.app = app


@schema.parametrize()
@hypothesis.settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.filterwarnings("ignore")
def test_no_made_up_request_finds_an_error_or_an_undocumented_answer(case):
    """No 5xx; status, type and body of each answer as documented; bad data refused, good taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.call_and_validate()
