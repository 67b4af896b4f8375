"""The flow that brings a use case's rows into the warehouse."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.data.errors import DataError
from trainer.data.retention import remove_older
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import connected_warehouse, downloads_folder, spill_folder
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.usecases import find, root
from trainer.usecase import warehouse
from trainer.usecase.declaration import Declaration
from trainer.usecase.files import fingerprint
from trainer.usecase.periods import Asked, earliest
from trainer.usecase.problems import BadDeclaration, NoSuchUseCase
from trainer.usecase.rows import opened_rows
from trainer.usecase.sources import is_local

UNLESS_PERMANENT = unless(DataError, BadDeclaration, NoSuchUseCase)
LONGEST = timedelta(days=1)
"""That an ingestion writes to the disk before it is over."""
ROWS_SHOWN = 1_000
"""Of the table of rejected rows."""


class NoSuchSource(DataError):
    """A use case has no source of that name."""


@flow(name="ingest", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def ingest(
    usecase: str, source: str | None = None, periods: list[str] | None = None, reload: bool = False
) -> State[Any]:
    """Loads a use case's rows into the warehouse, each period in place of what the warehouse had of it.

    Rows that can't be true are counted by reason in the artifact <use case>-rejections and kept in table_rejections.

    Args:
        usecase: The use case's name.
        source: The source's name; empty for the first.
        periods: Periods such as 2021-01, 2021-W05 or 2021-01-31; empty for all that the source has.
        reload: Load periods again of which the same rows are loaded.
    """
    found = load_rows(usecase, source, periods, reload)
    report_rejections(usecase, found)
    rows = sum(load.counted.accepted for load in found.loads)
    return Completed(message=f"{rows:,} rows loaded in {len(found.loads)} periods; {len(found.unchanged)} unchanged")


def source_of(declaration: Declaration, name: str | None) -> str:
    """The source's name, or the first.

    Raises:
        NoSuchSource: there is none of that name.
    """
    chosen = name or next(iter(declaration.sources))
    if chosen not in declaration.sources:
        raise NoSuchSource(f"{declaration.name} has no source {chosen!r}: there is {', '.join(declaration.sources)}")
    return chosen


@task(
    name="load",
    task_run_name="load {usecase}",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_PERMANENT,
    **RETRIES,
)
def load_rows(usecase: str, source: str | None, periods: list[str] | None, reload: bool) -> warehouse.Loaded:
    """Reads the source and loads what is new, or has changed, in one transaction."""
    declaration = find(usecase)
    name = source_of(declaration, source)
    chosen = declaration.sources[name]
    with connected_warehouse() as connection:
        there = [load.period for load in warehouse.loads(connection, declaration, name)]
        # before they are read: what is written meanwhile is read the next time
        files = fingerprint(chosen, root(), declaration.table.period) if is_local(chosen) else None
        if files and not periods and not reload and warehouse.unchanged(connection, declaration, name, files):
            get_run_logger().info("the files are those that are loaded")
            return warehouse.Loaded([], there, {})
    # the newest period may have grown; those before it are read again only if that is wanted
    first = earliest(periods, declaration.table.period) if periods else max(there, default=None)
    since = None if reload or first is None else first.start
    # of runs that were killed
    remove_older([spill_folder()], LONGEST)
    with (
        TemporaryDirectory(dir=spill_folder()) as folder,
        opened_rows(
            declaration,
            chosen,
            root(),
            Path(folder),
            Asked(periods, since),
            downloads_folder(usecase),
        ) as rows,
        connected_warehouse() as connection,
    ):
        found = warehouse.load(connection, declaration, name, rows, periods, reload=reload, fingerprint=files)
    for load in found.loads:
        message = "%s: %s of %s rows rejected, %s loaded"
        counted = load.counted
        get_run_logger().info(message, load.period, counted.read - counted.accepted, counted.read, counted.accepted)
    if found.lost:
        get_run_logger().warning("rows that lie in no period: %s", found.lost)
    return found


@task(name="report rejections", task_run_name="report rejections", cache_policy=NO_CACHE)
def report_rejections(usecase: str, found: warehouse.Loaded) -> None:
    """The table of rejected rows in the Prefect UI."""
    create_table_artifact(
        key=f"{usecase}-rejections",
        table=rejections(found.loads)[:ROWS_SHOWN],
        description="Rows that can't be true, by the first reason that holds. "
        "They are kept in the warehouse's `table_rejections`.",
    )


def rejections(loads: Sequence[warehouse.Load]) -> list[dict[str, Any]]:
    """A row for each period and reason, and one for each period as a whole."""
    table = []
    for load in loads:
        counted = load.counted
        for reason, rows in [("all reasons", counted.read - counted.accepted), *counted.rejected.items()]:
            share = f"{rows / counted.read:.3%}"
            table.append({"period": str(load.period), "reason": reason, "rows": rows, "share of the period": share})
    return table
