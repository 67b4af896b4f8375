"""The flow ``respond``: what follows from an alarm about the model that is served."""

from datetime import timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.flows.events import DRIFTED
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import settings
from trainer.flows.plan import HoldoutDays
from trainer.flows.steps.release import notify
from trainer.flows.steps.retraining import ask_for_training, decide, plan_retraining
from trainer.retraining.alarm import Alarm
from trainer.usecases.trips.fields import MODEL_NAME

NO_ALARM = Alarm()


@flow(name="respond", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def respond(
    event: str = DRIFTED,
    alarm: Alarm = NO_ALARM,
    last_months: Annotated[int, Field(ge=1, le=36)] = 2,
    holdout_days: HoldoutDays | None = None,
    cool_down_hours: Annotated[float, Field(ge=0)] | None = None,
    daily_limit: Annotated[int, Field(ge=0)] | None = None,
) -> State[Any]:
    """Has a training begin on the newest months, unless one is under way or began too shortly before; says which.

    Args:
        event: The alarm's event.
        alarm: What it says.
        last_months: How many of the newest months in the warehouse to train on.
        holdout_days: Judge on the last so many days of the newest month; empty for the deployment's setting.
        cool_down_hours: From one retraining's beginning to the next; empty for the deployment's setting.
        daily_limit: Retrainings within 24 hours, 0 for none; empty for the deployment's setting.
    """
    chosen = settings()
    wanted = plan_retraining(alarm.version, last_months, holdout_days or chosen.retraining_holdout_days)
    hours = chosen.retraining_cool_down_hours if cool_down_hours is None else cool_down_hours
    limit = chosen.retrainings_a_day if daily_limit is None else daily_limit
    retraining = decide(MODEL_NAME, event, alarm, wanted, timedelta(hours=hours), limit)
    if retraining.began:
        ask_for_training(MODEL_NAME, retraining.id, wanted)
    outcome = f"retraining {retraining.id} {'begins' if retraining.began else 'is held back'}"
    subject = f"{MODEL_NAME} {happened(event)}: {outcome}"
    months = f" Months {wanted.months}, judged on the last {wanted.holdout_days} days." if retraining.began else ""
    notify(subject, f"{retraining.reason}. Version {alarm.version or 'unknown'}, {alarm}.{months}", return_state=True)
    return Completed(message=f"{outcome}: {retraining.reason}")


def happened(event: str) -> str:
    """``drifted`` or ``decayed``."""
    return event.rpartition(".")[2]
