"""On an empty registry the stack trains by itself."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed, Scheduled

TAG = "first-training"
UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]

LONGEST = timedelta(hours=1)
"""A first training that says it has been running for longer has lost its worker."""


def start_first_training(deployment: str, prefect: SyncPrefectClient) -> UUID | None:
    """Starts a run of the deployment, unless one started here is still under way; the new run's id.

    Raises:
        ObjectNotFound: there is no such deployment.

    A run whose worker was stopped while it took the run, or was killed in the middle, is marked as crashed: nobody
    would end it, and it would hold the deployment's only slot.
    """
    found = prefect.read_deployment_by_name(deployment)
    unfinished = prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)),
        ),
    )
    orphans = [run for run in unfinished if _is_orphan(run)]
    for run in orphans:
        prefect.set_flow_run_state(run.id, Crashed(message="Its worker was stopped."))
    if len(orphans) < len(unfinished):
        return None
    return prefect.create_flow_run_from_deployment(found.id, state=Scheduled(), tags=[TAG]).id


def _is_orphan(run: FlowRun) -> bool:
    # this runs when the stack starts, before there is a worker that could be about to begin a pending run; should one
    # be after all, it finds its run ended and the new one does the work
    state = run.state
    if state is None or state.is_pending():
        return True
    return state.is_running() and state.timestamp < datetime.now(UTC) - LONGEST
