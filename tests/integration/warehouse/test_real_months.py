"""The TLC's own files, three generations of columns, from file to training table."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trainer.data.months import Month
from trainer.data.source import sha256_of
from trainer.data.tlc import TlcFolder
from trainer.data.warehouse import Connection, available_months, connect, extract, loads
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.ingestion import Ingested, ingest_month

DATA = Path(os.environ.get("ROUNDHOUSE_TLC_DATA", "/nonexistent"))

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not DATA.is_dir(), reason="ROUNDHOUSE_TLC_DATA names no folder with the TLC's green taxi files"),
]

EXPECTED = {
    "2021-01": (76_518, 3, 73_844),
    "2021-02": (64_572, 2, 61_894),
    "2023-01": (68_211, 4, 65_906),
    "2023-02": (64_809, 26, 62_513),
    "2025-01": (48_326, 43, 46_246),
}
"""Rows read, rejected and, after cleaning, used in training, of the files as first published."""


@pytest.fixture(scope="module")
def connection(make_database: Callable[..., str], migrated: str) -> Iterator[Connection]:
    with connect(make_database(migrated)) as connection:
        yield connection


def ingest(connection: Connection, month: str, *, reload: bool = False) -> Ingested:
    return ingest_month(
        connection, TlcFolder(DATA), "tlc", "green", Month.parse(month), Path("/nowhere"), reload=reload
    )


@pytest.mark.parametrize("month", EXPECTED)
def test_a_real_month_loads_and_few_rows_are_rejected(connection: Connection, month: str) -> None:
    read, rejected, used = EXPECTED[month]

    load = ingest(connection, month).load
    kept, left_out = clean(extract(connection, "tlc", "green", [Month.parse(month)]))

    assert (load.rows_read, load.rows_rejected, load.rows_loaded) == (read, rejected, read - rejected)
    assert load.rejected == {"pickup_outside_month": rejected}
    assert load.sha256 == sha256_of(DATA / f"green_tripdata_{month}.parquet")
    assert kept.num_rows == used
    assert sum(left_out.values()) == load.rows_loaded - used
    assert set(left_out) == {"duration_under_1_minute", "duration_over_60_minutes", "distance_over_100_miles"}


def test_a_real_month_that_is_loaded_is_skipped_unless_asked_for(connection: Connection) -> None:
    first = ingest(connection, "2021-01")

    assert ingest(connection, "2021-01") == Ingested(first.load, skipped=True)
    again = ingest(connection, "2021-01", reload=True)
    assert not again.skipped
    assert again.load.loaded_at > first.load.loaded_at


def test_real_months_lie_side_by_side(connection: Connection) -> None:
    for month in EXPECTED:
        ingest(connection, month)

    months = available_months(connection, "tlc", "green")

    assert [str(month) for month in months] == list(EXPECTED)
    rows = sum(load.rows_loaded for load in loads(connection, "tlc", "green", months))
    assert extract(connection, "tlc", "green", months).num_rows == rows == 322_358
