"""The warehouse's schema comes and goes by migrations alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from trainer.data import warehouse
from trainer.data.loading import load_month
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile
from trainer.data.warehouse import EXTRACTED, connect
from trainer.usecases.trips.columns import TRIPS

Migrate = Callable[..., None]
JANUARY = Month(2021, 1)


def tables(url: str) -> set[str]:
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        return {name for (name,) in cursor}


def test_up_down_and_up_again(
    empty_url: str, migrate: Migrate, make_month: Callable[..., tuple[Sifted, MonthFile]]
) -> None:
    migrate(empty_url, "upgrade", "head")
    declared = {"table_loads", "table_rejections", "table_sources"}
    recorded = {"predictions", "outcomes", "monitorings", "measurements", "counted", "retrainings"}
    assert (
        tables(empty_url) == {"alembic_version", "trips", "trips_rejected", "loads", "rollouts"} | declared | recorded
    )
    sifted, file = make_month(JANUARY)
    with connect(empty_url) as connection:
        load_month(connection, "tlc", "green", JANUARY, parts=[sifted], file=file)

    migrate(empty_url, "downgrade", "base")
    assert tables(empty_url) == {"alembic_version"}

    migrate(empty_url, "upgrade", "head")
    with connect(empty_url) as connection:
        assert warehouse.available_months(connection, "tlc", "green") == []


def test_up_to_date_is_no_work(url: str, migrate: Migrate) -> None:
    migrate(url, "upgrade", "head")

    assert "trips" in tables(url)


def test_deployments_at_once_don_t_collide(empty_url: str, migrate: Migrate) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: migrate(empty_url, "upgrade", "head"), range(3)))

    assert "trips" in tables(empty_url)


def test_the_table_has_every_column_of_a_trip_and_no_other(url: str) -> None:
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'trips'::regclass AND attnum > 0")
        columns = {name for (name,) in cursor}

    assert columns == {"source", "service", "month", "file_row", *TRIPS.names}


@pytest.mark.parametrize("name", EXTRACTED.names)
def test_what_training_gets_has_the_types_of_the_trips(name: str) -> None:
    assert EXTRACTED.field(name).type == TRIPS.field(name).type


def test_a_month_is_its_first_day(url: str) -> None:
    row = {"source": "tlc", "service": "green", "month": "2021-01-02", "file_row": 1, "reason": "none", "row": "{}"}
    with connect(url) as connection, connection.cursor() as cursor, pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute(
            "INSERT INTO trips_rejected VALUES (%(source)s, %(service)s, %(month)s, %(file_row)s, %(reason)s, %(row)s)",
            row,
        )
