"""The flow ``respond`` of a use case that has a declaration: what follows from an alarm about its model."""

from datetime import timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from trainer.flows.events import DRIFTED
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import registry, settings
from trainer.flows.respond import happened
from trainer.flows.steps.release import notify
from trainer.flows.steps.retraining import ask_for_training, decide
from trainer.flows.usecases import find
from trainer.registry.champion import CHAMPION, NoSuchVersion
from trainer.retraining.alarm import Alarm

NO_ALARM = Alarm()


class Wanted(BaseModel):
    """Parameters of the training."""

    model_config = ConfigDict(frozen=True)

    source: str


@flow(name="respond", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def respond(
    usecase: str,
    event: str = DRIFTED,
    alarm: Alarm = NO_ALARM,
    cool_down_hours: Annotated[float, Field(ge=0)] | None = None,
    daily_limit: Annotated[int, Field(ge=0)] | None = None,
) -> State[Any]:
    """Has a training begin on the newest rows, unless one is under way or began too shortly before; says which.

    Args:
        usecase: The use case's name.
        event: The alarm's event.
        alarm: What it says.
        cool_down_hours: From one retraining's beginning to the next; empty for the deployment's setting.
        daily_limit: Retrainings within 24 hours, 0 for none; empty for the deployment's setting.
    """
    chosen = settings()
    hours = chosen.retraining_cool_down_hours if cool_down_hours is None else cool_down_hours
    limit = chosen.retrainings_a_day if daily_limit is None else daily_limit
    wanted = Wanted(source=_source(usecase, alarm))
    retraining = decide(usecase, event, alarm, wanted, timedelta(hours=hours), limit)
    if retraining.began:
        ask_for_training(usecase, retraining.id, wanted)
    outcome = f"retraining {retraining.id} {'begins' if retraining.began else 'is held back'}"
    said = f"{retraining.reason}. Version {alarm.version or 'unknown'}, {alarm}."
    notify(f"{usecase} {happened(event)}: {outcome}", said, return_state=True)
    return Completed(message=f"{outcome}: {retraining.reason}")


def _source(usecase: str, alarm: Alarm) -> str:
    """The source that the version has learnt from, or the first."""
    sources, versions = list(find(usecase).sources), registry(usecase)
    version = alarm.version or versions.version_of(CHAMPION)
    try:
        learnt = versions.learnt_from(version).source if version else None
    except NoSuchVersion:
        learnt = None
    return learnt if learnt in sources else sources[0]
