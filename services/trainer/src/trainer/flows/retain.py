"""The flow ``retain``: predictions don't fill the warehouse."""

from datetime import date
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.data.errors import DataError
from trainer.data.predictions import database_day, drop_older
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import connected_warehouse, settings
from trainer.flows.retrying import RETRIES, unless


@flow(name="retain", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def retain(days: Annotated[int, Field(ge=1)] | None = None, drop_much: bool = False) -> State[Any]:
    """Drops predictions, and their outcomes, of the days before the last so many. Today's always stay.

    Args:
        days: How many days are kept, today among them; empty for the deployment's setting.
        drop_much: Also if more than a quarter of the days would go, as after a long pause or with fewer days to keep.
    """
    dropped = drop_old_days(days or settings().prediction_days, drop_much)
    return Completed(message=f"{len(dropped)} days of predictions dropped")


@task(
    name="drop old days",
    task_run_name="drop old days",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(DataError),
    **RETRIES,
)
def drop_old_days(days: int, much: bool) -> list[date]:
    with connected_warehouse() as connection:
        dropped = drop_older(connection, database_day(connection), days, much=much)
    get_run_logger().info("dropped: %s", ", ".join(map(str, dropped)) or "nothing")
    return dropped
