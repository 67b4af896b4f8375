"""A real Postgres with the warehouse's schema, one database a test."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest
from embedded import postgres
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile
from trainer.data.warehouse import Connection, connect
from trainer.usecases.trips.columns import TRIPS
from trainer.usecases.trips.rejection import sift

ALEMBIC = Path(__file__).parents[3] / "infra/postgres/warehouse/alembic.ini"

Migrate = Callable[..., None]
MakeDatabase = Callable[..., str]
MakeMonth = Callable[..., tuple[Sifted, MonthFile]]

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture(scope="session")
def make_database(server: postgres.Server) -> MakeDatabase:
    """``make_database()``: the URL of a database that the warehouse's own role owns, as in the stack."""

    def make(template: str = "template1") -> str:
        name = f"warehouse_{next(_numbers)}"
        with closing(psycopg2.connect(server.url("postgres"))) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(f"CREATE DATABASE {name} OWNER warehouse TEMPLATE {template}")
        return server.url("warehouse", name)

    return make


@pytest.fixture
def empty_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="session")
def migrate() -> Migrate:
    """``migrate(url, "upgrade", "head")`` runs Alembic as a deployment does, from a folder that isn't the project's."""

    def run(url: str, *command: str) -> None:
        arguments = [sys.executable, "-m", "alembic", "-c", str(ALEMBIC), *command]
        done = subprocess.run(
            arguments,
            env=os.environ | {"TRAINER_WAREHOUSE_URL": url},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def migrated(make_database: MakeDatabase, migrate: Migrate) -> str:
    """The name of a database that others are copied from: quicker than to migrate each."""
    url = make_database()
    migrate(url, "upgrade", "head")
    return url.rpartition("/")[2]


@pytest.fixture
def url(make_database: MakeDatabase, migrated: str) -> str:
    return make_database(migrated)


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url) as connection:
        yield connection


@pytest.fixture(scope="session")
def make_month() -> MakeMonth:
    """``make_month(month, good=3, bad=1, miles=2.5)``: sifted rows and the file that they'd be from."""
    return _make_month


def _make_month(month: Month, good: int = 3, bad: int = 1, miles: float = 2.5) -> tuple[Sifted, MonthFile]:
    rows = good + bad
    pickups = [month.start + timedelta(seconds=37 * n) for n in range(rows)]
    given = {
        "pickup_at": pickups,
        "dropoff_at": [pickup + timedelta(minutes=10) for pickup in pickups],
        "pu_location_id": [74] * rows,
        "do_location_id": [75] * good + [999] * bad,
        "trip_distance": [miles] * rows,
        "passenger_count": [None if n % 2 else 1 for n in range(rows)],
        "store_and_fwd_flag": ["" if n % 2 else 'N,"' for n in range(rows)],
    }
    columns = [pa.array(given.get(field.name, [None] * rows), field.type) for field in TRIPS]
    file = MonthFile(Path("month.parquet"), f"somewhere/{month}.parquet", f"{miles}", 1234)
    return sift(pa.table(columns, schema=TRIPS), month), file
