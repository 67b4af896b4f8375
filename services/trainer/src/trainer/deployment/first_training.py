"""On an empty registry the stack trains by itself."""

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
from prefect.client.schemas.objects import StateType
from prefect.states import Scheduled

TAG = "first-training"
UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]


def start_first_training(deployment: str, prefect: SyncPrefectClient) -> UUID | None:
    """Starts a run of the deployment, unless one started here is still under way; the new run's id."""
    found = prefect.read_deployment_by_name(deployment)
    under_way = prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)),
        ),
    )
    if under_way:
        return None
    return prefect.create_flow_run_from_deployment(found.id, state=Scheduled(), tags=[TAG]).id
