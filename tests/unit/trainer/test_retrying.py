"""When a step that failed is tried again."""

from typing import Any

import pytest
from prefect import Task
from trainer.flows.steps.judgement import gate_registered
from trainer.flows.steps.monitoring import record
from trainer.flows.steps.preparation import extract
from trainer.flows.steps.release import refuse, roll_out
from trainer.flows.steps.search import search
from trainer.flows.steps.versions import roll_out_registered


@pytest.mark.parametrize(
    "step",
    [roll_out, roll_out_registered, refuse, gate_registered, search, extract, record],
    ids=lambda step: step.fn.__name__,
)
def test_a_step_is_tried_again_after_two_four_and_eight_seconds_or_up_to_half_as_long_again(
    step: Task[..., Any],
) -> None:
    assert (step.retries, step.retry_delay_seconds) == (3, [2, 4, 8])
    assert step.retry_jitter_factor == 0.5
