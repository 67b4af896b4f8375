"""The flow that brings months of trips into the warehouse."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from trainer.data.errors import DataError
from trainer.data.months import Month, MonthsText, parse_months
from trainer.data.source import MonthFile, MonthSource, Service, SourceName
from trainer.data.warehouse import Load
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import allowed_locations, connected_warehouse, settings
from trainer.flows.retrying import RETRIES, unless
from trainer.usecases.trips import ingestion
from trainer.usecases.trips.ingestion import Ingested

DEFAULT_MONTHS = 2
"""One to train on and one to judge by."""

ARTIFACT = "ingest-rejections"


# a month that isn't published, or a file that isn't what it should be, is no better a moment later
UNLESS_PERMANENT = unless(DataError)


@flow(name="ingest", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def ingest(
    source: SourceName | None = None,
    tlc_location: str | None = None,
    service: Service = "green",
    months: list[MonthsText] | None = None,
    reload: bool = False,
) -> list[Ingested]:
    """Loads months of taxi trips into the warehouse.

    All files are fetched and looked at before the first is loaded. Each month replaces what the warehouse had of it, in
    one transaction. Rows that can't be trips are counted by reason in the artifact ingest-rejections and kept in the
    table trips_rejected.

    Args:
        source: Files of the NYC Taxi & Limousine Commission (tlc) or generated trips (synthetic); empty for the
            deployment's setting.
        tlc_location: Base URL or folder of the TLC's monthly files; empty for the deployment's setting.
        service: Green or yellow taxis.
        months: Months such as 2021-01, or ranges such as 2021-01..2021-03; empty for the two newest of the source.
        reload: Load months again of which the same file is already loaded.
    """
    name = source or settings().source
    chosen = parse_months(months) if months else find_newest_months(name, tlc_location, service)
    files = [fetch_month(name, tlc_location, service, month) for month in chosen]
    results = [_ingest(name, service, month, file, reload) for month, file in zip(chosen, files, strict=True)]
    report_rejections([result.load for result in results])
    return results


def _ingest(name: SourceName, service: Service, month: Month, file: MonthFile, reload: bool) -> Ingested:
    before = None if reload else find_load(name, service, month, file)
    if before:
        get_run_logger().info("%s %s is loaded already, from the same file: skipped", service, month)
        return Ingested(before, skipped=True)
    return Ingested(load_trips(name, service, month, file), skipped=False)


def month_source(name: SourceName, tlc_location: str | None) -> MonthSource:
    """The source of that name, at the deployment's location unless another is given."""
    return ingestion.open_source(name, tlc_location or settings().tlc_location, allowed_locations())


def newest_months(
    name: SourceName, tlc_location: str | None, service: Service, count: int, until: Month | None = None
) -> list[Month]:
    """The newest months that the source has today, in order: see ``MonthSource.newest``."""
    return month_source(name, tlc_location).newest(service, datetime.now(UTC).date(), count, until)


@task(
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_PERMANENT,
    task_run_name="find newest {service} months",
    **RETRIES,
)
def find_newest_months(name: SourceName, tlc_location: str | None, service: Service) -> list[Month]:
    """The newest months that the source has, in order."""
    return newest_months(name, tlc_location, service, DEFAULT_MONTHS)


@task(cache_policy=NO_CACHE, retry_condition_fn=UNLESS_PERMANENT, task_run_name="fetch {service} {month}", **RETRIES)
def fetch_month(name: SourceName, tlc_location: str | None, service: Service, month: Month) -> MonthFile:
    """The month's file on this machine, whose columns are complete."""
    file = _fetch(name, tlc_location, service, month)
    get_run_logger().info("%s: %s bytes, sha256 %s", file.uri, f"{file.size:,}", file.sha256)
    return file


def _fetch(name: SourceName, tlc_location: str | None, service: Service, month: Month) -> MonthFile:
    into = settings().storage / "downloads" / name
    return ingestion.fetch(month_source(name, tlc_location), service, month, into)


@task(cache_policy=NO_CACHE, task_run_name="look up {service} {month}", **RETRIES)
def find_load(name: SourceName, service: Service, month: Month, file: MonthFile) -> Load | None:
    """What was loaded from the same file before."""
    with connected_warehouse() as connection:
        return ingestion.find_load(connection, name, service, month, file)


# Reading, rejecting and loading are one task: Prefect holds what a task returns until the flow ends, which for a year
# of yellow taxis would be ten gigabytes.
@task(cache_policy=NO_CACHE, retry_condition_fn=UNLESS_PERMANENT, task_run_name="load {service} {month}", **RETRIES)
def load_trips(name: SourceName, service: Service, month: Month, file: MonthFile) -> Load:
    """Tells trips from rows that can't be any, and replaces the month in the warehouse, in one transaction."""
    with connected_warehouse() as connection:
        load = ingestion.load(connection, name, service, month, file)
    message = "%s %s: %s of %s rows rejected, %s trips loaded"
    counts = (f"{rows:,}" for rows in (load.rows_rejected, load.rows_read, load.rows_loaded))
    get_run_logger().info(message, service, month, *counts)
    return load


@task(cache_policy=NO_CACHE, task_run_name="report rejections")
def report_rejections(loads: Sequence[Load]) -> None:
    """The table of rejected rows in the Prefect UI."""
    create_table_artifact(
        key=ARTIFACT,
        table=rejections(loads),
        description="Rows that can't be trips of their month, by the first reason that holds. "
        "They are kept in the warehouse's table `trips_rejected`.",
    )


def rejections(loads: Sequence[Load]) -> list[dict[str, Any]]:
    """A row for each month and reason, and one for each month as a whole."""
    table = []
    for load in loads:
        for reason, rows in [("all reasons", load.rows_rejected), *load.rejected.items()]:
            share = f"{rows / load.rows_read:.3%}"
            table.append({"month": str(load.month), "reason": reason, "rows": rows, "share of the month": share})
    return table
