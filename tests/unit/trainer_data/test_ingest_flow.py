"""What the flow adds: which errors are tried again, and the table of rejections."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.states import Failed
from trainer.data.errors import MonthNotPublished, SourceUnavailable, TruncatedFile
from trainer.data.months import Month
from trainer.data.warehouse import Load
from trainer.flows.ingest import UNLESS_PERMANENT, ingest, rejections

NOTHING: Any = None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (MonthNotPublished("somewhere", "HTTP status 404"), False),
        (TruncatedFile("somewhere", 5, "no footer"), False),
        (SourceUnavailable("somewhere", 4, "HTTP status 503"), True),
        (OSError("disk"), True),
    ],
)
def test_a_step_is_tried_again_only_if_that_can_help(error: Exception, again: bool) -> None:
    assert UNLESS_PERMANENT(NOTHING, NOTHING, Failed(data=error)) is again


def test_the_table_of_rejections_has_each_month_as_a_whole_and_by_reason() -> None:
    loads = [
        Load("tlc", "green", Month(2021, 1), "a", "1", 9, 200, 195, 5, {"x": 4, "y": 1}, datetime.now(UTC)),
        Load("tlc", "green", Month(2021, 2), "b", "2", 9, 100, 100, 0, {}, datetime.now(UTC)),
    ]

    assert rejections(loads) == [
        {"month": "2021-01", "reason": "all reasons", "rows": 5, "share of the month": "2.500%"},
        {"month": "2021-01", "reason": "x", "rows": 4, "share of the month": "2.000%"},
        {"month": "2021-01", "reason": "y", "rows": 1, "share of the month": "0.500%"},
        {"month": "2021-02", "reason": "all reasons", "rows": 0, "share of the month": "0.000%"},
    ]


def test_the_form_in_the_ui_says_what_each_parameter_means() -> None:
    schema = ingest.parameters.model_dump()

    assert schema["required"] == []
    assert all(each.get("description") for each in schema["properties"].values())


@pytest.mark.parametrize("months", [["2021-1"], ["2021-01..2021-13"], "2021-01 2021-02"])
def test_a_text_that_is_no_month_is_refused_before_anything_runs(months: Any) -> None:
    with pytest.raises(ParameterTypeError, match="months"):
        ingest.validate_parameters({"months": months})
