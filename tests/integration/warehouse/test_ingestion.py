"""From source to warehouse without an orchestrator; whatever is wrong with a month changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainer.data.allowed import Allowed
from trainer.data.errors import (
    AllRowsRejected,
    DataError,
    EmptyMonth,
    MissingColumn,
    MonthNotPublished,
    NotParquet,
    TruncatedFile,
)
from trainer.data.months import Month
from trainer.data.tlc import TlcFolder
from trainer.data.warehouse import Connection, extract
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.ingestion import Ingested, ingest_month, open_source
from trainer.usecases.trips.synthetic import Synthetic, generate

JANUARY = Month(2021, 1)
NAME = "green_tripdata_2021-01.parquet"

Damage = Callable[[Path], object]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder that has January."""
    folder = tmp_path / "published"
    folder.mkdir()
    pq.write_table(generate(1, "green", JANUARY, 1_000), folder / NAME)
    return folder


def ingest(connection: Connection, folder: Path, *, reload: bool = False) -> Ingested:
    return ingest_month(connection, TlcFolder(folder), "tlc", "green", JANUARY, folder / "into", reload=reload)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def contents(connection: Connection) -> list[Any]:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM trips), (SELECT count(*) FROM trips_rejected)")
        counts = cursor.fetchall()
        cursor.execute("SELECT * FROM loads")
        return [counts, cursor.fetchall()]


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (Path.unlink, MonthNotPublished, "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:5_000]), TruncatedFile, "5,000 bytes"),
        (lambda path: path.write_text("<html>Not today</html>"), NotParquet, "not a Parquet file"),
        (
            lambda path: rewrite(path, lambda table: table.drop_columns(["DOLocationID"])),
            MissingColumn,
            "no column for do_location_id",
        ),
        (lambda path: rewrite(path, lambda table: table.slice(0, 0)), EmptyMonth, "no rows"),
        (
            lambda path: pq.write_table(generate(1, "green", Month(2020, 6), 500), path),
            AllRowsRejected,
            "pickup_outside_month",
        ),
    ],
)
def test_a_month_that_can_t_be_used_is_named_and_leaves_the_one_that_is_loaded(
    connection: Connection, published: Path, damage: Damage, error: type[DataError], said: str
) -> None:
    ingest(connection, published)
    before = contents(connection)
    damage(published / NAME)

    with pytest.raises(error, match=said) as raised:
        ingest(connection, published, reload=True)

    assert NAME in str(raised.value)
    assert contents(connection) == before


def test_the_same_file_is_loaded_once(connection: Connection, published: Path) -> None:
    first = ingest(connection, published)

    assert not first.skipped
    assert ingest(connection, published) == Ingested(first.load, skipped=True)
    assert ingest(connection, published, reload=True).load.loaded_at > first.load.loaded_at


def test_a_file_that_was_issued_again_replaces_the_month(connection: Connection, published: Path) -> None:
    ingest(connection, published)
    rewrite(published / NAME, lambda table: table.slice(0, 600))

    again = ingest(connection, published)

    assert not again.skipped
    assert again.load.rows_read == 600
    assert extract(connection, "tlc", "green", [JANUARY]).num_rows == again.load.rows_loaded


@pytest.mark.parametrize("service", ["green", "yellow"])
def test_generated_months_go_the_whole_way(connection: Connection, tmp_path: Path, service: Any) -> None:
    result = ingest_month(connection, Synthetic(rows=5_000), "synthetic", service, JANUARY, tmp_path)
    kept, left_out = clean(extract(connection, "synthetic", service, [JANUARY]))

    assert result.load.rows_read == 5_000
    assert result.load.rows_rejected == sum(result.load.rejected.values()) > 0
    assert kept.num_rows + sum(left_out.values()) == result.load.rows_loaded
    assert kept.num_rows > 4_700


def test_sources_are_opened_by_name(tmp_path: Path) -> None:
    allowed = Allowed.of("", "", str(tmp_path), tmp_path)
    assert open_source("synthetic", "", allowed) == Synthetic()
    assert open_source("tlc", str(tmp_path), allowed) == TlcFolder(tmp_path)
