"""The flow ``replay``: months of the past happen again in minutes, and monitoring and retraining run on them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.data.errors import DataError
from trainer.data.months import Month, MonthsText, parse_months
from trainer.data.source import MonthFile, Service, SourceName
from trainer.flows.failure import tell_of_failure
from trainer.flows.ingest import ingest
from trainer.flows.outside import settings
from trainer.flows.steps.replay import Window, await_response, find_months, play, read_trips, run
from trainer.replay.player import Player
from trainer.replay.weeks import weeks

Told = tuple[str, str]
"""When, as the past had it, and what."""

ALARMS = ("drift", "decay")
"""How the message of a monitoring begins that found something."""


class NothingToReplay(DataError):
    """The source has fewer than two of the months."""


@flow(name="replay", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def replay(
    months: MonthsText = "2021-01..2023-01",
    source: SourceName | None = None,
    tlc_location: str | None = None,
    service: Service = "green",
    speed: Annotated[float, Field(ge=1, le=1e9)] = 50_000,
    share: Annotated[float, Field(gt=0, le=1)] = 1,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
) -> State[Any]:
    """Trains on the first month, then has the trips of the others asked for again, as they happened, week by week.

    The second month judges the model that it begins with. Every week is looked at. A month is loaded into the warehouse
    once it is over; then it is monitored as a whole: its alarm, if there is one, goes out, and what follows from alarms
    follows.

    Args:
        months: A range such as 2021-01..2023-01; months that the source doesn't have are skipped.
        source: Where months come from; empty for the deployment's setting.
        tlc_location: Base URL or folder of the TLC's monthly files; empty for the deployment's setting.
        service: Green or yellow taxis.
        speed: Seconds of the past in one of today, if the machine keeps up.
        share: Of the trips, how many are asked for.
        seed: Of the choice of trips, and of training.
    """
    origin = source or settings().source
    first, *others = _available(origin, tlc_location, service, parse_months(months))
    chosen = {"source": origin, "tlc_location": tlc_location, "service": service}
    wanted = {**chosen, "months": str(first[0]), "holdout": str(others[0][0]), "seed": seed}
    story = [(f"end of {first[0]}", run("train/trip-duration", wanted, f"replay: {first[0]}"))]
    player = Player(settings().serving_url, speed)
    for month, file in others:
        story += _happens_again(player, month, read_trips(month, file, share, seed), origin, tlc_location, service)
    title = f"{player.played.predictions:,} trips of {service} taxis, {months}, as if they came now"
    # no table: Prefect would cut what is longer than a line
    lines = "\n".join(f"- **{when}**: {what}" for when, what in story)
    create_markdown_artifact(f"{lines}\n", key="replay", description=title)
    return Completed(message="\n".join(f"{when}: {what}" for when, what in story))


def _available(
    origin: SourceName, location: str | None, service: Service, months: Sequence[Month]
) -> list[tuple[Month, MonthFile]]:
    found = find_months(origin, location, service, months)
    if len(found) < 2:
        raise NothingToReplay(f"of {months[0]} to {months[-1]}, the source has {len(found)} months: two are needed")
    return found


def _happens_again(
    player: Player, month: Month, trips: pa.Table, origin: SourceName, location: str | None, service: Service
) -> list[Told]:
    """A month, and what followed from it."""
    story: list[Told] = []
    parts, begun = list(weeks(month)), datetime.now(UTC)
    for week in parts:
        window = play(player, week, trips, last=week is parts[-1])
        told = _monitor(window, str(week), alarm=False)
        story.append((str(week), f"{told} (looked at only)" if told.startswith(ALARMS) else told))
    ingest(source=origin, tlc_location=location, service=service, months=[str(month)])
    told_at = datetime.now(UTC)
    told = _monitor(Window(since=begun, until=window.until), f"end of {month}", alarm=True)
    story.append((f"end of {month}", told))
    if told.startswith(ALARMS):
        response = await_response(told_at)
        story.append((f"after {month}", f"retraining {response.outcome}: {response.reason}"))
    return story


def _monitor(window: Window, name: str, *, alarm: bool) -> str:
    parameters = {"since": window.since.isoformat(), "until": window.until.isoformat(), "announces": alarm}
    return run("monitor/trip-duration", parameters, f"replay: {name}")
