"""What nobody will ask about doesn't fill Prefect's lists and database."""

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

AT_ONCE = 200
"""What Prefect gives in one answer; the rest is for the next time."""


def forget_runs(flow: str, age: timedelta) -> int:
    """Deletes runs of a flow that ended well, or were cancelled, so long ago; how many. Failed ones stay."""
    with get_client(sync_client=True) as prefect:
        old = prefect.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.CANCELLED])),
                end_time=FlowRunFilterEndTime(before_=datetime.now(UTC) - age),
            ),
            limit=AT_ONCE,
        )
        for run in old:
            prefect.delete_flow_run(run.id)
    return len(old)


def forget_workers(age: timedelta) -> int:
    """Deletes workers of which nothing was heard for so long; how many. Each start makes one of a new name."""
    with get_client(sync_client=True) as prefect:
        pools = prefect.read_work_pools(limit=AT_ONCE)
        old = [
            (pool.name, worker.name)
            for pool in pools
            for worker in prefect.read_workers_for_work_pool(pool.name, limit=AT_ONCE)
            if worker.last_heartbeat_time and worker.last_heartbeat_time < datetime.now(UTC) - age
        ]
        for pool, worker in old:
            names = {"work_pool_name": pool, "name": worker}
            prefect.request("DELETE", "/work_pools/{work_pool_name}/workers/{name}", path_params=names)
    return len(old)
