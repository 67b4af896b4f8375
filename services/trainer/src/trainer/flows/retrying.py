"""When a step that failed is tried again."""

from typing import Any, TypedDict

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from trainer.rollout.service import NotServed, ReloadRefused

BACKOFF = exponential_backoff(backoff_factor=2)


class Retries(TypedDict):
    retries: int
    retry_delay_seconds: Any
    retry_jitter_factor: float


RETRIES = Retries(retries=3, retry_delay_seconds=BACKOFF, retry_jitter_factor=0.5)
"""For steps that reach a database or a service, which may be away for a moment: 2, 4 and 8 seconds, and some jitter."""


def unless_refused(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """The service's answer that it won't stands; that it can't be reached may pass."""
    return not isinstance(state.result(raise_on_failure=False), ReloadRefused | NotServed)
