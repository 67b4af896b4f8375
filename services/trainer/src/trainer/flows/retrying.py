"""When a step that failed is tried again."""

from collections.abc import Callable
from typing import Any, TypedDict

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

BACKOFF = exponential_backoff(backoff_factor=2)


class Retries(TypedDict):
    retries: int
    retry_delay_seconds: Any
    retry_jitter_factor: float


RETRIES = Retries(retries=3, retry_delay_seconds=BACKOFF, retry_jitter_factor=0.5)
"""For steps that reach a database or a service, which may be away for a moment: 2, 4 and 8 seconds, and some jitter."""


def unless(*final: type[Exception]) -> Callable[[Task[..., Any], TaskRun, State[Any]], bool]:
    """For a task's ``retry_condition_fn``: errors of these kinds stand, any other may pass."""

    def worth_a_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
        return not isinstance(state.result(raise_on_failure=False), final)

    return worth_a_retry
