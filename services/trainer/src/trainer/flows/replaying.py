"""Whether months of the past are happening again just now."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType


def is_replaying() -> bool:
    """Whether a run of the flow ``replay`` has begun and hasn't ended."""
    under_way = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    with get_client(sync_client=True) as prefect:
        found = prefect.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["replay"])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way)),
            limit=1,
        )
    return bool(found)
