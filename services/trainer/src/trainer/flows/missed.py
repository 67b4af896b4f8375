"""Scheduled runs that nobody took while the stack, or its machine, was asleep: one of each is enough."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled

MISSED = "It was due while nobody could take it; a later one of its schedule is due too."
LATE = timedelta(minutes=10)


def skip_missed(prefect: SyncPrefectClient) -> list[FlowRun]:
    """Cancels what a schedule has planned, is overdue and waits, but for the newest of each deployment; what it was.

    What a person has started, or has under way, isn't touched.
    """
    missed: list[FlowRun] = []
    # Prefect gives 200 at a time, of which the newest of each deployment stay
    while found := _missed(prefect):
        for run in found:
            prefect.set_flow_run_state(run.id, Cancelled(message=MISSED))
        missed += found
    return missed


def _missed(prefect: SyncPrefectClient) -> list[FlowRun]:
    overdue = prefect.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) - LATE),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
    waiting: dict[UUID, list[FlowRun]] = defaultdict(list)
    for run in overdue:
        if run.auto_scheduled and run.deployment_id is not None:
            waiting[run.deployment_id].append(run)
    return [run for newest_first in waiting.values() for run in newest_first[1:]]
