"""Flow runs in memory, as Prefect's server keeps them: what the flow ``reconcile`` asks about trainings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed, Running

AT_ONCE = 200
"""What Prefect gives in one answer."""


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


@dataclass
class MemoryPrefect:
    """One flow's deployment and its runs."""

    deployment: str
    id: UUID = field(default_factory=uuid4)
    flow_id: UUID = field(default_factory=uuid4)
    runs: dict[UUID, FlowRun] = field(default_factory=dict)
    states: dict[UUID, list[State]] = field(default_factory=dict)
    """Of each run, in their order."""

    @property
    def client(self) -> SyncPrefectClient:
        """For those who make no other calls than these."""
        return cast("SyncPrefectClient", self)

    def begin(self, parameters: dict[str, Any], *, created: datetime, scheduled: bool = False) -> FlowRun:
        """A run that runs since it was created."""
        run = FlowRun(
            flow_id=self.flow_id,
            deployment_id=self.id,
            parameters=parameters,
            created=created,
            expected_start_time=created,
            auto_scheduled=scheduled,
        )
        self.runs[run.id] = run
        self.move(run, Running(timestamp=created))
        return run

    def crash(self, run: FlowRun, at: datetime) -> None:
        self.move(run, Crashed(message="no heartbeats", timestamp=at))

    def move(self, run: FlowRun, state: State) -> None:
        """As the server does: a state that is final ends the run, and any other lets it be under way again."""
        self.states.setdefault(run.id, []).append(state)
        run.state = state
        ended: Any = state.timestamp if state.is_final() else None
        run.end_time = ended

    def read_deployment_by_name(self, name: str) -> DeploymentResponse:
        assert name == self.deployment
        return DeploymentResponse(id=self.id, flow_id=self.flow_id, name=name, labels=None)

    def read_flow_runs(
        self,
        *,
        deployment_filter: DeploymentFilter,
        flow_run_filter: FlowRunFilter | None = None,
        sort: FlowRunSort = FlowRunSort.EXPECTED_START_TIME_DESC,
    ) -> list[FlowRun]:
        assert deployment_filter.id is not None
        assert sort == FlowRunSort.EXPECTED_START_TIME_DESC
        wanted = deployment_filter.id.any_ or []
        found = [run for run in self.runs.values() if run.deployment_id in wanted and _fits(run, flow_run_filter)]
        return sorted(found, key=_expected, reverse=True)[:AT_ONCE]

    def read_flow_run_states(self, flow_run_id: UUID) -> Sequence[State]:
        return self.states[flow_run_id]

    def set_flow_run_state(self, flow_run_id: UUID, state: State) -> None:
        self.move(self.runs[flow_run_id], state)


def _fits(run: FlowRun, wanted: FlowRunFilter | None) -> bool:
    """By state and by end, which are all that is asked for."""
    if wanted is None:
        return True
    assert wanted.state is not None
    assert wanted.state.type is not None
    assert wanted.end_time is not None
    assert wanted.end_time.after_ is not None
    of_a_type = run.state is not None and run.state.type in (wanted.state.type.any_ or [])
    return of_a_type and run.end_time is not None and run.end_time >= wanted.end_time.after_


def _expected(run: FlowRun) -> datetime:
    assert run.expected_start_time is not None
    return run.expected_start_time
