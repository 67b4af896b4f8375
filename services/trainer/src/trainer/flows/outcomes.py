"""The flow ``outcomes``: what came of the trips that were predicted."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.data.errors import DataError
from trainer.data.months import Month, MonthsText, parse_months
from trainer.data.source import Service, SourceName
from trainer.data.warehouse import available_months
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import connected_warehouse, settings
from trainer.flows.retrying import RETRIES, unless
from trainer.usecases.trips.outcomes import Matched, match_month, months_predicted

ARTIFACT = "prediction-outcomes"


@flow(name="outcomes", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def outcomes(
    source: SourceName | None = None, service: Service = "green", months: list[MonthsText] | None = None
) -> State[Any]:
    """Finds the trips that predictions were about, and writes how long they took. Outcomes by /feedback stay.

    Args:
        source: Where the months come from; empty for the deployment's setting.
        service: Green or yellow taxis.
        months: Months such as 2021-01, or ranges; empty for all that are loaded and in which predicted trips begin.
    """
    name = source or settings().source
    chosen = parse_months(months) if months else find_months(name, service)
    found = [find_trips(name, service, month) for month in chosen]
    create_table_artifact(
        key=ARTIFACT,
        table=[{**vars(one), "month": str(one.month)} for one in found],
        description="Predictions by what the month's trips say of them. What is ambiguous is left out.",
    )
    written = sum(one.written for one in found)
    return Completed(message=f"{written} outcomes written, {sum(one.ambiguous for one in found)} ambiguous")


@task(name="find months", task_run_name="find months", cache_policy=NO_CACHE, **RETRIES)
def find_months(name: SourceName, service: Service) -> list[Month]:
    """Loaded months in which predicted trips begin."""
    with connected_warehouse() as connection:
        return months_predicted(connection, available_months(connection, name, service))


@task(
    name="find trips",
    task_run_name="find trips of {month}",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(DataError),
    **RETRIES,
)
def find_trips(name: SourceName, service: Service, month: Month) -> Matched:
    """The outcomes of one month."""
    with connected_warehouse() as connection:
        found = match_month(connection, name, service, month)
    get_run_logger().info("%s", found)
    return found
