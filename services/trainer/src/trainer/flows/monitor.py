"""The flow ``monitor``: is what is asked and answered still what the model was trained on and promised?"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.flows.failure import tell_of_failure
from trainer.flows.forgetting import forget_runs
from trainer.flows.outside import registry
from trainer.flows.promote import VersionText
from trainer.flows.replaying import is_replaying
from trainer.flows.steps.announce import announce
from trainer.flows.steps.monitoring import assess_version, count, log, publish, record
from trainer.monitoring.monitoring import NoWindow, Window
from trainer.monitoring.terms import Terms
from trainer.registry.champion import CHAMPION
from trainer.usecases.trips.fields import MODEL_NAME

DEFAULT_TERMS = Terms()
KEPT = timedelta(days=30)
"""There are 24 runs a day; the warehouse has their numbers for longer."""


@flow(name="monitor", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def monitor(
    usecase: str = MODEL_NAME,
    since: datetime | None = None,
    until: datetime | None = None,
    window_days: Annotated[float, Field(gt=0, le=366)] = 7,
    version: VersionText | None = None,
    least_rows: Annotated[int, Field(ge=2)] = 100,
    announces: bool = True,
    terms: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
) -> State[Any]:
    """Holds recorded predictions and outcomes against the version's training, and raises an alarm if they differ.

    While a replay runs, which monitors its own weeks, the latest traffic is let be: its alarms would begin a training
    on months that are older than what is played.

    Args:
        usecase: The use case whose model is monitored.
        since: Begin of the window, in UTC unless it says otherwise; empty for window_days before its end, or the moment
            when the version was registered, if that is later.
        until: End of the window, likewise; empty for now.
        window_days: Length of a window whose begin isn't given. Less than a week differs by weekday and hour by nature.
        version: A version's number; empty for the champion.
        least_rows: Predictions without which nothing is told; outcomes without which no error is.
        announces: Whether others are told of an alarm, which may begin a training.
        terms: From where on a difference is an alarm.
        seed: Of the bootstrap.
    """
    versions = registry(usecase)
    wanted = version or versions.version_of(CHAMPION)
    if wanted is None:
        return Completed(message="no champion to monitor yet")
    if announces and since is None and usecase == MODEL_NAME and is_replaying():
        return Completed(message="a replay is under way, which monitors what it asks for")
    window = _window(since, until, timedelta(days=window_days))
    if since is None:
        window = window.not_before(versions.made_at(wanted))
    counted, notes = count()
    assessment = assess_version(usecase, wanted, window, counted, notes, terms, least_rows, seed)
    told = assessment.monitoring.verdict not in ("too few predictions", "no reference")
    run_id = log(assessment) if told else None
    monitoring = record(assessment.monitoring, counted, run_id)
    publish(monitoring, run_id)
    if announces:
        announce(monitoring)
    forget_runs("monitor", KEPT)
    return Completed(message=monitoring.message)


def _window(since: datetime | None, until: datetime | None, length: timedelta) -> Window:
    """Raises NoWindow: it ends before it begins."""
    end = _in_utc(until) if until else datetime.now(UTC)
    begin = _in_utc(since) if since else end - length
    if begin >= end:
        raise NoWindow(begin, end)
    return Window(since=begin, until=end)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
