"""Runs whose process died: started again once, and what they left open is closed.

Nothing of a run that was killed can do this itself. Prefect's worker marks it as crashed, or if that is dead too
``reconcile`` does (see ``silence``), which also does the rest.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry

RECENT = timedelta(hours=6)
"""A run that crashed longer ago is let be: whoever wanted it has seen it, or doesn't any more."""

AGAIN = "Its process died; started again, once."


def restart_crashed(deployment: str, prefect: SyncPrefectClient) -> list[FlowRun]:
    """Starts runs of a deployment again that crashed lately, for the first time, and that no later one replaces.

    A run keeps its id, and with it the number of its crashes: there is no endless loop.
    """
    runs = runs_of(deployment, prefect)
    crashed = _crashed(deployment, prefect)
    again = [run for run in crashed if _crashes(run, prefect) == 1 and not _replaced(run, runs)]
    for run in again:
        prefect.set_flow_run_state(run.id, AwaitingRetry(message=AGAIN))
    return again


def is_deployed(deployment: str, prefect: SyncPrefectClient) -> bool:
    try:
        prefect.read_deployment_by_name(deployment)
    except ObjectNotFound:
        return False
    return True


def runs_of(deployment: str, prefect: SyncPrefectClient) -> list[FlowRun]:
    """The newest runs of a deployment; as many as Prefect gives in one answer."""
    return prefect.read_flow_runs(
        deployment_filter=_only(deployment, prefect), sort=FlowRunSort.EXPECTED_START_TIME_DESC
    )


def ended(runs: Collection[str], prefect: SyncPrefectClient) -> Mapping[str, State]:
    """Those of the flow runs that have ended, by id, with how; ids that Prefect doesn't know are left out."""
    if not runs:
        return {}
    identities = FlowRunFilterId(any_=[UUID(run) for run in runs])
    found = prefect.read_flow_runs(flow_run_filter=FlowRunFilter(id=identities))
    return {str(run.id): run.state for run in found if run.state and run.state.is_final()}


def _crashed(deployment: str, prefect: SyncPrefectClient) -> list[FlowRun]:
    return prefect.read_flow_runs(
        deployment_filter=_only(deployment, prefect),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
            end_time=FlowRunFilterEndTime(after_=datetime.now(UTC) - RECENT),
        ),
    )


def _only(deployment: str, prefect: SyncPrefectClient) -> DeploymentFilter:
    return DeploymentFilter(id=DeploymentFilterId(any_=[prefect.read_deployment_by_name(deployment).id]))


def _crashes(run: FlowRun, prefect: SyncPrefectClient) -> int:
    return sum(state.is_crashed() for state in prefect.read_flow_run_states(run.id))


def _replaced(run: FlowRun, others: Collection[FlowRun]) -> bool:
    """Whether the same was begun once more since it crashed, by a person or at a start of the stack."""
    crash = run.state.timestamp if run.state else None
    return any(
        other.id != run.id
        and other.parameters == run.parameters
        and not other.auto_scheduled
        and crash is not None
        and other.created is not None
        and other.created >= crash
        for other in others
    )
