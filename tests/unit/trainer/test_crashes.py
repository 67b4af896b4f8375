"""Which trainings whose process died are started again."""

from typing import Any

import pytest
from memory_prefect import MemoryPrefect, ago
from prefect.client.schemas.objects import FlowRun
from trainer.flows.crashes import restart_crashed

TRAINING = "train/trip-duration"
WANTED: dict[str, Any] = {"months": "2023-01", "retraining": 7}


def crashed(prefect: MemoryPrefect, hours_ago: float) -> FlowRun:
    """A training that began an hour before it crashed."""
    run = prefect.begin(dict(WANTED), created=ago(hours_ago + 1))
    prefect.crash(run, ago(hours_ago))
    return run


def test_a_crashed_training_is_started_again_once_with_its_id() -> None:
    prefect = MemoryPrefect(TRAINING)
    run = crashed(prefect, hours_ago=1)
    assert restart_crashed(TRAINING, prefect.client) == [run]
    assert run.state is not None
    assert run.state.name == "AwaitingRetry"
    assert restart_crashed(TRAINING, prefect.client) == []

    prefect.crash(run, ago(0))
    assert restart_crashed(TRAINING, prefect.client) == []
    assert run.state.is_crashed()


@pytest.mark.parametrize(
    ("parameters", "hours_ago", "scheduled", "again"),
    [
        (WANTED, 0.5, False, False),
        (WANTED, 1.5, False, True),  # it was under way already when the other crashed
        ({**WANTED, "retraining": 8}, 0.5, False, True),
        (WANTED, 0.5, True, True),  # a schedule makes its runs whatever became of others
    ],
)
def test_a_crashed_training_that_was_begun_again_meanwhile_is_let_be(
    parameters: dict[str, Any], hours_ago: float, scheduled: bool, again: bool
) -> None:
    prefect = MemoryPrefect(TRAINING)
    run = crashed(prefect, hours_ago=1)
    prefect.begin(dict(parameters), created=ago(hours_ago), scheduled=scheduled)

    assert restart_crashed(TRAINING, prefect.client) == ([run] if again else [])


@pytest.mark.parametrize(("hours_ago", "again"), [(5.9, True), (6.1, False)])
def test_a_training_that_crashed_more_than_six_hours_ago_is_let_be(hours_ago: float, again: bool) -> None:
    prefect = MemoryPrefect(TRAINING)
    run = crashed(prefect, hours_ago)

    assert restart_crashed(TRAINING, prefect.client) == ([run] if again else [])
