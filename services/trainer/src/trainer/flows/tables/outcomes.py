"""The flow ``outcomes`` of a use case that has a declaration: what came of what was predicted."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import connected_warehouse, spill_folder
from trainer.flows.retrying import RETRIES
from trainer.flows.tables.ingest import UNLESS_PERMANENT, ingest, source_of
from trainer.flows.usecases import find
from trainer.usecase import warehouse
from trainer.usecase.cleaning import clean_parts
from trainer.usecase.outcomes import Matched, match
from trainer.usecase.periods import Period


@flow(name="outcomes", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def outcomes(usecase: str, source: str | None = None, periods: list[str] | None = None) -> State[Any]:
    """Finds the rows that predictions were about, and writes what came true. Outcomes by /feedback stay.

    Args:
        usecase: The use case's name.
        source: The source's name; empty for the first.
        periods: Periods such as 2021-01; empty for all that are loaded, after what is new has been.
    """
    name = source_of(find(usecase), source)
    if not periods:
        ingest(usecase=usecase, source=name)
    found = {period: find_rows(usecase, name, period) for period in periods or find_periods(usecase, name)}
    create_table_artifact(
        key=f"{usecase}-outcomes",
        table=[{"period": period, **vars(matched)} for period, matched in found.items()],
        description="Predictions by what the rows of a period say of them. What is ambiguous is left out.",
    )
    written = sum(matched.written for matched in found.values())
    ambiguous = sum(matched.ambiguous for matched in found.values())
    return Completed(message=f"{written} outcomes written, {ambiguous} ambiguous")


@task(name="find periods", task_run_name="find periods", cache_policy=NO_CACHE, **RETRIES)
def find_periods(usecase: str, source: str) -> list[str]:
    """All that are loaded, in order."""
    with connected_warehouse() as connection:
        return [str(load.period) for load in warehouse.loads(connection, find(usecase), source)]


@task(
    name="find rows",
    task_run_name="find rows of {period}",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_PERMANENT,
    **RETRIES,
)
def find_rows(usecase: str, source: str, period: str) -> Matched:
    """The outcomes of one period."""
    declaration = find(usecase)
    wanted = Period.parse(period, declaration.table.period)
    with (
        connected_warehouse() as reading,
        connected_warehouse() as writing,
        warehouse.opened_extract(reading, declaration, source, [wanted], spill=spill_folder()) as rows,
    ):
        parts = (used for used, _ in clean_parts(declaration, rows.parts, rows.schema))
        found = match(writing, declaration, parts)
    get_run_logger().info("%s: %s", period, found)
    return found
