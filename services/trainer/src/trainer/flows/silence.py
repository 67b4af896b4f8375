"""Flow runs whose process died, which nobody told of: under way by their state, and silent.

Prefect's automations know events and no states. A run's heartbeat and its end reach the server by different ways, and
of a run that lasts a second the heartbeat may come last: an automation that waits for the next one takes it for dead.
"""

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventOrder,
    EventResourceFilter,
)
from prefect.states import Cancelled, Crashed

HEARTBEAT = "prefect.flow-run.heartbeat"
UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
BEGINNING = 3
"""Times the silence, for a run to begin that a worker has taken: one that died meanwhile leaves it pending for ever."""
DIED = "The process of the run died: its heartbeat stopped."

LISTENING = timedelta(seconds=45)
"""Longer than from one heartbeat to the next, and on to where the server shows it."""

EVER = datetime(2000, 1, 1, tzinfo=UTC)


def end_silent(
    prefect: SyncPrefectClient, silence: timedelta, own: UUID, listening: timedelta = LISTENING
) -> list[FlowRun]:
    """Marks runs as crashed that sent no heartbeat for so long; those. One that was being cancelled is cancelled.

    Silence may be the server's, which was away or has heartbeats still before it. So a run that seems dead is listened
    for once more, and is so only if the heartbeats of the run that listens arrive.

    Runs that no worker began may send none at all: they are looked at once they have sent one. A run that has yet to
    begin has sent none either, and is given more time.

    Args:
        own: The flow run that this is called from.
    """
    suspects = _silent(_under_way(prefect), silence, prefect)
    if not suspects:
        return []
    # not by times: each machine has its own
    before = {run: _last_heard(run, prefect) for run in (own, *(suspect.id for suspect in suspects))}
    time.sleep(listening.total_seconds())
    silent = {run for run, last in before.items() if _last_heard(run, prefect) == last}
    if own in silent:
        return []
    dead = [run for run in _under_way(prefect) if run.id in silent]
    return [run for run in dead if _end(run, prefect)]


def _under_way(prefect: SyncPrefectClient) -> list[FlowRun]:
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=UNDER_WAY))
    return prefect.read_flow_runs(flow_run_filter=FlowRunFilter(state=state))


def _last_heard(run: UUID, prefect: SyncPrefectClient) -> UUID | None:
    """The newest heartbeat; None if there was none."""
    found = prefect.read_events(_heartbeats(run, EVER), limit=1).events
    return found[0].id if found else None


def _silent(runs: Collection[FlowRun], silence: timedelta, prefect: SyncPrefectClient) -> list[FlowRun]:
    now = datetime.now(UTC)
    pending = [run for run in runs if run.state and run.state.is_pending()]
    begun = [run for run in runs if run.state and not run.state.is_pending() and run.state.timestamp < now - silence]
    quiet = [run for run in begun if not _heard(run.id, now - silence, prefect)]
    return [
        *(run for run in pending if run.state and run.state.timestamp < now - BEGINNING * silence),
        *(run for run in quiet if run.work_pool_name or _heard(run.id, EVER, prefect)),
    ]


def _heard(run: UUID, since: datetime, prefect: SyncPrefectClient) -> bool:
    return bool(prefect.read_events(_heartbeats(run, since), limit=1).events)


def _heartbeats(run: UUID, since: datetime) -> EventFilter:
    """The newest first."""
    return EventFilter(
        event=EventNameFilter(name=[HEARTBEAT]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
        # not until now, by default: the run's clock may be ahead, or this one's behind
        occurred=EventOccurredFilter(since=since, until=datetime.now(UTC) + timedelta(days=1000)),
        order=EventOrder.DESC,
    )


def _end(run: FlowRun, prefect: SyncPrefectClient) -> bool:
    """False if it has ended by itself after all."""
    being_cancelled = run.state is not None and run.state.is_cancelling()
    ended: State = Cancelled(message=DIED) if being_cancelled else Crashed(message=DIED)
    answer = prefect.set_flow_run_state(run.id, ended)
    return answer.state is not None and answer.state.type == ended.type
