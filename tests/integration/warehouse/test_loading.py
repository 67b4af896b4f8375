"""A month in the warehouse is whole: the old one or the new one, whatever happens in between."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from trainer.data import copying
from trainer.data.errors import AllRowsRejected, DataError, EmptyMonth, MonthNotLoaded
from trainer.data.loading import load_month
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile, Service
from trainer.data.warehouse import EXTRACTED, Connection, Load, available_months, connect, extract, loads
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.rejection import sift

MakeMonth = Callable[..., tuple[Sifted, MonthFile]]
JANUARY, FEBRUARY = Month(2021, 1), Month(2021, 2)


def load(connection: Connection, month: Month, made: tuple[Sifted, MonthFile], service: Service = "green") -> Load:
    sifted, file = made
    return load_month(connection, "tlc", service, month, parts=[sifted], file=file)


def query(connection: Connection, text: str) -> list[Any]:
    with connection, connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def miles(connection: Connection, month: Month = JANUARY) -> set[float]:
    return set(extract(connection, "tlc", "green", [month])["trip_distance"].to_pylist())


def test_what_was_loaded_comes_out_as_it_was_and_in_its_order(connection: Connection, make_month: MakeMonth) -> None:
    made = make_month(JANUARY, good=1000)
    load(connection, JANUARY, made)

    extracted = extract(connection, "tlc", "green", [JANUARY])

    assert extracted.schema == EXTRACTED
    assert extracted.equals(made[0].accepted.select(EXTRACTED.names))


def test_texts_empty_and_with_quotes_survive(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, JANUARY, make_month(JANUARY, good=2))

    assert query(connection, "SELECT store_and_fwd_flag, trip_type FROM trips ORDER BY file_row") == [
        ('N,"', None),
        ("", None),
    ]


FAR = [33_106_000_000_000_000, 571_000_000_000_000_000]
"""Microseconds since 1970: in 3019, and in 20064, which Python's datetime doesn't know."""


@pytest.mark.parametrize("moment", FAR)
@pytest.mark.parametrize("column", ["pickup_at", "dropoff_at"])
def test_a_row_of_another_millennium_is_in_quarantine_and_the_month_goes_on(
    connection: Connection, make_month: MakeMonth, column: str, moment: int
) -> None:
    sifted, file = make_month(JANUARY, good=4, bad=0)
    rows = sifted.accepted.drop_columns(["file_row"])
    times = pa.array([moment, *rows[column].cast(pa.int64()).to_pylist()[1:]]).cast(pa.timestamp("us"))
    # a number that JSON doesn't know beside it
    fares = pa.array([float("nan"), 1.0, 1.0, 1.0])
    changed = rows.set_column(rows.column_names.index(column), column, times)
    again = sift(changed.set_column(changed.column_names.index("fare_amount"), "fare_amount", fares), JANUARY)
    assert load(connection, JANUARY, (again, file)).rows_loaded == 3
    ((kept, fare),) = query(connection, f"SELECT \"row\"->>'{column}', \"row\"->>'fare_amount' FROM trips_rejected")  # noqa: S608  (ours)
    assert (int(kept.split("-")[0]) > 3000, fare) == (True, "nan")
    assert clean(extract(connection, "tlc", "green", [JANUARY]))[0].num_rows == 3


def test_a_load_is_on_record_with_its_file_and_counts(connection: Connection, make_month: MakeMonth) -> None:
    returned = load(connection, JANUARY, make_month(JANUARY, good=5, bad=2))

    assert loads(connection, "tlc", "green", [JANUARY, FEBRUARY]) == [returned]
    assert (returned.rows_read, returned.rows_loaded, returned.rows_rejected) == (7, 5, 2)
    assert returned.rejected == {"dropoff_zone_unknown": 2}
    assert (returned.uri, returned.sha256, returned.size) == ("somewhere/2021-01.parquet", "2.5", 1234)
    assert returned.loaded_at.tzinfo is not None


def test_rejected_rows_are_in_quarantine_with_reason_and_content(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, JANUARY, make_month(JANUARY, good=1, bad=1))

    rows = query(connection, 'SELECT source, service, month::text, file_row, reason, "row" FROM trips_rejected')

    (source, service, month, file_row, reason, content) = rows[0]
    assert (source, service, month, file_row) == ("tlc", "green", "2021-01-01", 1)
    assert reason == "dropoff_zone_unknown"
    assert content["do_location_id"] == 999
    assert content["pickup_at"] == "2021-01-01 00:00:37"


def test_parts_make_one_month(connection: Connection, make_month: MakeMonth) -> None:
    sifted, file = make_month(JANUARY, good=7, bad=3)
    parts = [
        Sifted(sifted.accepted.slice(0, 4), sifted.rejected.slice(0, 0), {}),
        Sifted(sifted.accepted.slice(4), sifted.rejected, sifted.reasons),
    ]

    returned = load_month(connection, "tlc", "green", JANUARY, parts=parts, file=file)

    assert (returned.rows_read, returned.rows_loaded, returned.rejected) == (10, 7, {"dropoff_zone_unknown": 3})
    assert query(connection, "SELECT count(*) FROM trips") == [(7,)]


@pytest.mark.parametrize(("bad", "error"), [(0, EmptyMonth), (5, AllRowsRejected)])
def test_a_month_without_a_trip_isn_t_loaded(
    connection: Connection, make_month: MakeMonth, bad: int, error: type[DataError]
) -> None:
    load(connection, JANUARY, make_month(JANUARY))
    before = everything(connection)

    with pytest.raises(error, match=r"2021-01.parquet"):
        load(connection, JANUARY, make_month(JANUARY, good=0, bad=bad))

    assert everything(connection) == before


def test_loading_again_replaces(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, JANUARY, make_month(JANUARY, good=5, bad=3, miles=1.0))
    load(connection, JANUARY, make_month(JANUARY, good=4, bad=2, miles=2.0))

    assert query(connection, "SELECT count(*), min(trip_distance) FROM trips") == [(4, 2.0)]
    assert query(connection, "SELECT count(*) FROM trips_rejected") == [(2,)]
    assert [row.rows_loaded for row in loads(connection, "tlc", "green", [JANUARY])] == [4]


def test_other_months_services_and_sources_stay(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, JANUARY, make_month(JANUARY, good=1))
    load(connection, FEBRUARY, make_month(FEBRUARY, good=2))
    load(connection, JANUARY, make_month(JANUARY, good=3), service="yellow")
    load(connection, JANUARY, make_month(JANUARY, good=4))

    assert query(connection, "SELECT service, month::text, count(*) FROM trips GROUP BY 1, 2 ORDER BY 1, 2") == [
        ("green", "2021-01-01", 4),
        ("green", "2021-02-01", 2),
        ("yellow", "2021-01-01", 3),
    ]
    assert available_months(connection, "tlc", "green") == [JANUARY, FEBRUARY]
    assert available_months(connection, "synthetic", "green") == []


def test_each_month_has_a_partition_with_a_key(connection: Connection, make_month: MakeMonth) -> None:
    december = Month(2020, 12)
    for month in (december, JANUARY):
        load(connection, month, make_month(month))

    partitions = query(
        connection,
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid"
        " WHERE inhparent = 'trips'::regclass ORDER BY 1",
    )
    assert partitions == [
        ("trips_2020_12", "FOR VALUES FROM ('2020-12-01') TO ('2021-01-01')"),
        ("trips_2021_01", "FOR VALUES FROM ('2021-01-01') TO ('2021-02-01')"),
    ]
    with pytest.raises(psycopg2.errors.UniqueViolation), connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO trips SELECT * FROM trips")


def test_months_that_aren_t_loaded_are_named(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, JANUARY, make_month(JANUARY))

    with pytest.raises(MonthNotLoaded, match="tlc green 2021-02, 2021-03;"):
        extract(connection, "tlc", "green", [JANUARY, FEBRUARY, FEBRUARY.next()])


def test_several_months_come_in_order(connection: Connection, make_month: MakeMonth) -> None:
    load(connection, FEBRUARY, make_month(FEBRUARY, good=2))
    load(connection, JANUARY, make_month(JANUARY, good=2))

    pickups = extract(connection, "tlc", "green", [FEBRUARY, JANUARY])["pickup_at"].to_pylist()

    assert pickups == sorted(pickups)
    assert len(pickups) == 4


def interrupted(monkeypatch: pytest.MonkeyPatch, interrupt: Callable[[], None]) -> None:
    """Has ``interrupt`` called after the first piece of every COPY."""
    real = copying._as_csv

    def pieces(rows: pa.Table) -> Iterator[bytes]:
        for piece in real(rows):
            yield piece
            interrupt()

    monkeypatch.setattr(copying, "ROWS_AT_A_TIME", 100)
    monkeypatch.setattr(copying, "_as_csv", pieces)


class Crash(Exception):
    """What happens in the middle."""


def crash() -> None:
    raise Crash


@pytest.mark.parametrize("loaded_before", [True, False])
def test_a_crash_in_the_middle_leaves_what_was(
    connection: Connection, make_month: MakeMonth, monkeypatch: pytest.MonkeyPatch, loaded_before: bool
) -> None:
    if loaded_before:
        load(connection, JANUARY, make_month(JANUARY, good=500, miles=1.0))
    before = everything(connection)

    with monkeypatch.context() as patch:
        interrupted(patch, crash)
        with pytest.raises(psycopg2.errors.QueryCanceled, match="Crash"):
            load(connection, JANUARY, make_month(JANUARY, good=700, miles=2.0))

    assert everything(connection) == before
    load(connection, JANUARY, make_month(JANUARY, good=700, miles=2.0))
    assert miles(connection) == {2.0}


def everything(connection: Connection) -> list[Any]:
    return [
        query(connection, "SELECT month, trip_distance, count(*) FROM trips GROUP BY 1, 2"),
        query(connection, "SELECT * FROM trips_rejected ORDER BY file_row"),
        query(connection, "SELECT * FROM loads"),
        query(connection, "SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1"),
    ]


def test_a_database_session_that_ends_in_the_middle_leaves_what_was(
    url: str, make_month: MakeMonth, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(url) as watcher, connect(url) as connection:
        load(connection, JANUARY, make_month(JANUARY, good=500, miles=1.0))
        victim = connection.info.backend_pid

        def end_session() -> None:
            query(watcher, f"SELECT pg_terminate_backend({victim}, 10000)")

        interrupted(monkeypatch, end_session)
        with pytest.raises(psycopg2.OperationalError):
            load(connection, JANUARY, make_month(JANUARY, good=700, miles=2.0))

        assert miles(watcher) == {1.0}
        assert [row.rows_loaded for row in loads(watcher, "tlc", "green", [JANUARY])] == [500]


def test_readers_see_the_old_month_until_the_new_one_is_complete(
    url: str, make_month: MakeMonth, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[float]] = []
    with connect(url) as reader, connect(url) as connection:
        load(connection, JANUARY, make_month(JANUARY, good=500, miles=1.0))
        interrupted(monkeypatch, lambda: seen.append(miles(reader)))

        load(connection, JANUARY, make_month(JANUARY, good=700, miles=2.0))

        assert len(seen) > 5
        assert all(state == {1.0} for state in seen)
        assert miles(reader) == {2.0}


def test_readers_of_other_months_aren_t_held_up_by_a_new_partition(
    url: str, make_month: MakeMonth, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[float]] = []
    with connect(url) as reader, connect(url) as connection:
        load(connection, JANUARY, make_month(JANUARY, miles=1.0))
        query(reader, "SELECT set_config('lock_timeout', '2s', false)")
        interrupted(monkeypatch, lambda: seen.append(miles(reader)))

        load(connection, FEBRUARY, make_month(FEBRUARY, good=300))

        assert {1.0} in seen


@pytest.mark.parametrize(
    "wanted",
    [
        [("green", JANUARY)] * 6,
        [("green", JANUARY.plus(n)) for n in range(6)],
        [("green", JANUARY), ("yellow", JANUARY)],
    ],
    ids=["same", "months", "services"],
)
def test_loads_at_once_each_leave_a_whole_month(
    url: str, make_month: MakeMonth, wanted: list[tuple[Service, Month]]
) -> None:
    together = Barrier(len(wanted))

    def run(number: int) -> None:
        service, month = wanted[number]
        made = make_month(month, good=2000 + number, miles=float(number))
        with connect(url) as connection:
            together.wait(timeout=30)
            load(connection, month, made, service)

    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(run, range(len(wanted))))

    with connect(url) as connection:
        for service, month in set(wanted):
            extracted = extract(connection, "tlc", service, [month])["trip_distance"].to_pylist()
            (recorded,) = loads(connection, "tlc", service, [month])
            assert len(set(extracted)) == 1
            assert len(extracted) == recorded.rows_loaded == 2000 + extracted[0]
