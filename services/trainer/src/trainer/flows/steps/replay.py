"""The steps of a replay."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.deployments import run_deployment
from pydantic import BaseModel, ConfigDict
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from trainer.data.errors import DataError
from trainer.data.months import Month
from trainer.data.predictions import count_between
from trainer.data.source import MonthFile, Service, SourceName
from trainer.flows.ingest import month_source
from trainer.flows.outside import connected_warehouse, settings
from trainer.replay.player import Player
from trainer.replay.weeks import Week
from trainer.retraining.decision import Retraining
from trainer.retraining.history import PostgresRetrainings
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.fields import MODEL_NAME
from trainer.usecases.trips.ingestion import fetch, sift_parts
from trainer.usecases.trips.replay import events, sample

ARRIVAL_SECONDS = 300.0
"""For what was predicted and told to be in the warehouse."""
DECISION_SECONDS = 120.0
"""For an alarm to be decided on."""
TRAINING_SECONDS = 3600.0
POLL_SECONDS = 0.5

ID = attrgetter("id")

Found = TypeVar("Found")


class NotArrived(Exception):
    """Something that was bound to follow didn't, within the time it has."""


class RunFailed(Exception):
    """A run that the replay waits for didn't end well."""


class Window(BaseModel):
    """When a week of the past was played, in UTC."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime


@task(name="find months", task_run_name="find months", cache_policy=NO_CACHE)
def find_months(
    source: SourceName, location: str | None, service: Service, months: Sequence[Month]
) -> list[tuple[Month, MonthFile]]:
    """The months that the source has, with their files."""
    opened, folder = month_source(source, location), settings().storage / "downloads" / source
    found = []
    for month in months:
        try:
            found.append((month, fetch(opened, service, month, folder)))
        except DataError as error:
            get_run_logger().info("%s is skipped: %s", month, error)
    return found


@task(name="read trips", task_run_name="read trips of {month}", cache_policy=NO_CACHE)
def read_trips(month: Month, file: MonthFile, share: float, seed: int) -> pa.Table:
    """Clean trips of a month's file; the warehouse gets the month once it is over."""
    trips, _ = clean(pa.concat_tables(part.accepted for part in sift_parts(file, month)))
    return sample(trips, share, seed)


@task(name="play", task_run_name="play {week}", cache_policy=NO_CACHE)
def play(player: Player, week: Week, trips: pa.Table, *, last: bool) -> Window:
    """Asks for the week's trips and waits until the warehouse has what came of it.

    Args:
        last: The outcomes of trips that go on are told too.
    """
    within = pc.and_(
        pc.greater_equal(trips["pickup_at"], pa.scalar(week.start, pa.timestamp("us"))),
        pc.less(trips["pickup_at"], pa.scalar(week.end, pa.timestamp("us"))),
    )
    before, since = player.played.predictions, datetime.now(UTC)
    player.play(list(events(trips.filter(within))))
    if last:
        player.tell_rest()
    until, asked = datetime.now(UTC), player.played.predictions - before
    get_run_logger().info("%s trips asked for; %s outcomes told so far", f"{asked:,}", f"{player.played.outcomes:,}")
    with connected_warehouse() as connection:
        _await(
            lambda: count_between(connection, MODEL_NAME, since, until) >= asked,
            ARRIVAL_SECONDS,
            f"{asked:,} predictions in the warehouse",
        )
    return Window(since=since, until=until)


@task(name="await response", task_run_name="await response", cache_policy=NO_CACHE)
def await_response(after: datetime) -> Retraining:
    """What an alarm that went out after this moment led to, once that has ended."""
    with connected_warehouse() as connection:
        retrainings = PostgresRetrainings(connection, MODEL_NAME)

        def first() -> Retraining | None:
            """Of several alarms at once, the others wait for it."""
            return min((one for one in retrainings.history() if one.decided_at > after), key=ID, default=None)

        def ended() -> Retraining | None:
            found = first()
            return None if found is None or found.outcome == "under way" else found

        _await(first, DECISION_SECONDS, "a decision on the alarm")
        response = _await(ended, TRAINING_SECONDS, "the end of the retraining")
        assert response is not None
        return response


@task(name="run", task_run_name="{deployment}: {name}", cache_policy=NO_CACHE)
def run(deployment: str, parameters: Mapping[str, Any], name: str) -> str:
    """Runs a deployment under a name; the message that it ended with. Raises RunFailed."""
    ended = run_deployment(
        deployment, parameters=dict(parameters), flow_run_name=name, poll_interval=1, as_subflow=False
    )
    state = ended.state  # type: ignore[union-attr]
    if state is None or not state.is_completed():
        raise RunFailed(f"{deployment}: {state.name if state else 'no state'}: {state.message if state else ''}")
    return state.message or ""


def _await(condition: Callable[[], Found], seconds: float, what: str) -> Found:
    """The condition's first true value. Raises NotArrived."""

    def give_up(_: object) -> Found:
        raise NotArrived(f"{what}: not within {seconds:g} s")

    waiting = Retrying(
        retry=retry_if_result(lambda found: not found),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(POLL_SECONDS),
        retry_error_callback=give_up,
    )
    return waiting(condition)
