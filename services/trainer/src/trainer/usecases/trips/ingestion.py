"""A month of trips from its source into the warehouse."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.data import warehouse
from trainer.data.allowed import Allowed
from trainer.data.loading import load_month
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile, MonthSource, Service, SourceName
from trainer.data.tlc import tlc
from trainer.data.transaction import Connection
from trainer.data.warehouse import Load
from trainer.usecases.trips import columns
from trainer.usecases.trips.rejection import sift
from trainer.usecases.trips.synthetic import Synthetic


@dataclass(frozen=True, slots=True)
class Ingested:
    """A month that is in the warehouse."""

    load: Load
    skipped: bool
    """The same file had been loaded before."""


def open_source(name: SourceName, tlc_location: str, allowed: Allowed) -> MonthSource:
    """The source of that name; the location is a base URL or a folder.

    Raises:
        LocationRefused: it isn't one that may be read.
    """
    return Synthetic() if name == "synthetic" else tlc(tlc_location, allowed)


def fetch(source: MonthSource, service: Service, month: Month, folder: Path) -> MonthFile:
    """A month's file whose columns and row count are good.

    Raises:
        DataError: it isn't there or can't be used.
        SourceUnavailable: it may be there later.
    """
    file = source.fetch(service, month, folder)
    columns.check_file(file)
    return file


def find_load(connection: Connection, name: SourceName, service: Service, month: Month, file: MonthFile) -> Load | None:
    """The month's load, if it was of the same file."""
    loads = warehouse.loads(connection, name, service, [month])
    return next((load for load in loads if load.sha256 == file.sha256), None)


def sift_parts(file: MonthFile, month: Month) -> Iterator[Sifted]:
    """Reads a file part by part and tells trips from rows that can't be any."""
    first_row = 0
    for trips in columns.read(file):
        yield sift(trips, month, first_row)
        first_row += trips.num_rows


def load(connection: Connection, name: SourceName, service: Service, month: Month, file: MonthFile) -> Load:
    """Makes the month in the warehouse what the file says.

    Raises:
        DataError: the file can't be used.
    """
    return load_month(connection, name, service, month, parts=sift_parts(file, month), file=file)


def ingest_month(
    connection: Connection,
    source: MonthSource,
    name: SourceName,
    service: Service,
    month: Month,
    folder: Path,
    *,
    reload: bool = False,
) -> Ingested:
    """Fetches a month and loads it, unless the same file is loaded already.

    Args:
        folder: for downloads.
        reload: load even so.

    Raises:
        DataError: the month can't be had or used; the warehouse is as it was.
        SourceUnavailable: the same, and a later try may succeed.
    """
    file = fetch(source, service, month, folder)
    before = None if reload else find_load(connection, name, service, month, file)
    if before:
        return Ingested(before, skipped=True)
    return Ingested(load(connection, name, service, month, file), skipped=False)
