"""What came of predicted trips, and how long predictions are kept, in a real PostgreSQL."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
import pyarrow as pa
import pytest
from trainer.data.loading import load_month
from trainer.data.months import Month
from trainer.data.predictions import TooMuchToDrop, database_day, drop_older, judged_pairs, prediction_days
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile
from trainer.data.warehouse import Connection, connect
from trainer.usecases.trips.columns import TRIPS
from trainer.usecases.trips.outcomes import Matched, match_month, months_predicted
from trainer.usecases.trips.rejection import sift

JANUARY = Month(2021, 1)
TODAY = date(2026, 3, 8)

# pick-up, zones, miles, minutes
TRIPS_MADE = [
    ("2021-01-02T10:00:00", 74, 75, 2.5, 10.0),
    ("2021-01-02T10:00:00", 74, 75, 2.6, 20.0),
    ("2021-01-03T10:00:00", 74, 75, 2.5, 11.0),  # two trips that nothing but their duration tells apart
    ("2021-01-03T10:00:00", 74, 75, 2.5, 12.0),
    ("2021-01-04T10:00:00", 74, 75, 2.5, 13.0),  # the same trip twice
    ("2021-01-04T10:00:00", 74, 75, 2.5, 13.0),
    ("2021-01-05T10:00:00", 74, 75, 2.5, 1_430.0),  # a meter left running
]


def load(connection: Connection, faster: float = 0.0) -> None:
    columns: dict[str, list[object]] = {
        "pickup_at": [datetime.fromisoformat(at) for at, *_ in TRIPS_MADE],
        "dropoff_at": [datetime.fromisoformat(at) + timedelta(minutes=m - faster) for at, _, _, _, m in TRIPS_MADE],
        "pu_location_id": [trip[1] for trip in TRIPS_MADE],
        "do_location_id": [trip[2] for trip in TRIPS_MADE],
        "trip_distance": [trip[3] for trip in TRIPS_MADE],
    }
    arrays = [pa.array(columns.get(field.name, [None] * len(TRIPS_MADE)), field.type) for field in TRIPS]
    sifted: Sifted = sift(pa.table(arrays, schema=TRIPS), JANUARY)
    load_month(connection, "tlc", "green", JANUARY, parts=[sifted], file=MonthFile(Path("x"), "x", str(faster), 1))


def predict(connection: Connection, pickup_at: object, at: datetime | None = None, **fields: object) -> UUID:
    """A prediction as the service writes it, by champion and challenger."""
    identity, when = uuid4(), at or datetime(2026, 3, 8, 9, tzinfo=UTC)
    sent = {"pickup_at": pickup_at, "pu_location_id": 74, "do_location_id": 75, "trip_distance": 2.5, **fields}
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT ensure_prediction_day(%s)", (when.date(),))
        for role in ("champion", "challenger"):
            cursor.execute(
                "INSERT INTO predictions (id, at, role, model, version, fields, prediction)"
                " VALUES (%s, %s, %s, 'trip-duration', '1', %s, 9)",
                (str(identity), when, role, json.dumps(sent)),
            )
    return identity


def tell(connection: Connection, prediction: UUID, actual: float) -> None:
    """As /feedback does."""
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO outcomes VALUES (%s, %s, 'feedback', now())", (str(prediction), actual))


def known(connection: Connection) -> dict[UUID, tuple[float, str]]:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT prediction_id, actual, source FROM outcomes")
        return {UUID(identity): (actual, source) for identity, actual, source in cursor}


def test_a_prediction_gets_the_duration_of_its_trip(connection: Connection) -> None:
    load(connection)
    one, other = (
        predict(connection, "2021-01-02T10:00:00"),
        predict(connection, "2021-01-02 10:00:00.7", trip_distance=2.6),
    )
    ambiguous, twice = predict(connection, "2021-01-03T10:00:00"), predict(connection, "2021-01-04T10:00:00")
    predict(connection, "2021-01-05T10:00:00")
    predict(connection, "2021-01-02T10:00:00", passenger_count=3, do_location_id=76)
    predict(connection, "2021-02-02T10:00:00")
    predict(connection, None)
    predict(connection, ["no time"], trip_distance="far")

    found = match_month(connection, "tlc", "green", JANUARY)

    assert found == Matched(JANUARY, written=3, known=0, ambiguous=1, unmatched=2)
    assert known(connection) == {one: (10.0, "trips"), other: (20.0, "trips"), twice: (13.0, "trips")}
    assert ambiguous not in known(connection)
    assert months_predicted(connection, [JANUARY, Month(2021, 3)]) == [JANUARY]


def test_the_same_again_changes_nothing_and_a_corrected_month_does(connection: Connection) -> None:
    load(connection)
    one = predict(connection, "2021-01-02T10:00:00")
    match_month(connection, "tlc", "green", JANUARY)

    assert match_month(connection, "tlc", "green", JANUARY) == Matched(JANUARY, 0, 1, 0, 0)
    load(connection, faster=2)
    assert match_month(connection, "tlc", "green", JANUARY) == Matched(JANUARY, 1, 0, 0, 0)
    assert known(connection) == {one: (8.0, "trips")}


def test_what_a_client_told_stays(connection: Connection) -> None:
    load(connection)
    one = predict(connection, "2021-01-02T10:00:00")
    tell(connection, one, 99.0)

    assert match_month(connection, "tlc", "green", JANUARY) == Matched(JANUARY, 0, 1, 0, 0)
    assert known(connection) == {one: (99.0, "feedback")}


def test_the_live_quality_has_the_interval_s_coverage_by_day(connection: Connection) -> None:
    # by day, what came of predictions whose interval is 5 to 12 minutes; both its ends belong to it
    came_true = {8: (5.0, 9.0, 12.0, 12.1), 9: (4.9, 30.0)}
    late = {day: datetime(2026, 3, day, 23, 30, tzinfo=UTC) for day in came_true}
    for day, outcomes in came_true.items():
        for actual in outcomes:
            tell(connection, predict(connection, "2021-01-02T10:00:00", late[day]), actual)
    predict(connection, "2021-01-02T10:00:00", late[9])  # nobody knows yet what came of it
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE predictions SET low = 5, high = 12 WHERE role = 'champion'")
    tell(connection, predict(connection, "2021-01-02T10:00:00", late[8]), 99.0)  # without an interval

    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
        cursor.execute(
            "SELECT role, day, rows, coverage FROM live_quality WHERE (model, version) = ('trip-duration', '1')"
        )
        found = {(role, day.isoformat()): (rows, coverage) for role, day, rows, coverage in cursor}
    assert found == {
        ("champion", "2026-03-08"): (5, 0.75),
        ("champion", "2026-03-09"): (2, 0.0),
        ("challenger", "2026-03-08"): (5, None),
        ("challenger", "2026-03-09"): (2, None),
    }


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)


def test_old_days_go_with_their_outcomes_and_today_stays(connection: Connection) -> None:
    days = {age: TODAY - timedelta(days=age) for age in (0, 1, 2, 3, 90)}
    made = {age: predict(connection, "2021-01-02T10:00:00", at(day)) for age, day in days.items()}
    for prediction in made.values():
        tell(connection, prediction, 5.0)

    with pytest.raises(TooMuchToDrop, match="2 of 5 days of predictions would be dropped, 2025"):
        drop_older(connection, TODAY, 3)
    assert len(prediction_days(connection)) == 5
    assert drop_older(connection, TODAY, 3, much=True) == [days[90], days[3]]
    assert prediction_days(connection) == [days[2], days[1], days[0]]
    assert set(known(connection)) == {made[2], made[1], made[0]}
    assert drop_older(connection, TODAY, 3) == []
    for least in (1, 0):
        drop_older(connection, TODAY, least, much=True)
        assert prediction_days(connection) == [days[0]]


@pytest.mark.parametrize("ahead", [30, 91, 1000])
def test_a_clock_that_is_ahead_drops_nothing(connection: Connection, ahead: int) -> None:
    for age in range(100):
        predict(connection, "2021-01-02T10:00:00", at(TODAY - timedelta(days=age)))
    with pytest.raises(TooMuchToDrop):
        drop_older(connection, TODAY + timedelta(days=ahead), 90)
    assert len(prediction_days(connection)) == 100
    # a few days' pause is nothing unusual
    assert len(drop_older(connection, TODAY + timedelta(days=5), 90)) == 15


def test_today_is_the_databases(connection: Connection) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone() or (None,)
    assert abs((database_day(connection) - now.astimezone(UTC).date()).days) <= 1


def test_a_reader_keeps_a_day_and_its_outcomes_as_they_are(
    connection: Connection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.data.predictions.LOCK_TIMEOUT", "100ms")
    old = predict(connection, "2021-01-02T10:00:00", at(date(2025, 12, 1)))
    tell(connection, old, 5.0)
    with connect(url) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM predictions")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            drop_older(connection, TODAY, 90)
        assert set(known(connection)) == {old}

    assert drop_older(connection, TODAY, 90) == [date(2025, 12, 1)]
    assert known(connection) == {}


def test_what_two_versions_said_of_the_same_requests_is_paired(connection: Connection) -> None:
    both = [predict(connection, f"2021-01-0{day}T10:00:00") for day in (1, 2)]
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE predictions SET version = '2', prediction = prediction + 1 WHERE role = 'challenger'")
        cursor.execute("UPDATE predictions SET version = '1' WHERE role = 'champion'")
        cursor.execute("INSERT INTO outcomes VALUES (%s, 11.5, 'feedback', now())", (str(both[0]),))
        cursor.execute("SELECT prediction FROM predictions WHERE id = %s AND role = 'champion'", (str(both[0]),))
        (said,) = cursor.fetchone() or (0.0,)
    long_ago, later = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    assert judged_pairs(connection, "trip-duration", "1", "2", long_ago).tolist() == [[11.5, said, said + 1]]
    assert judged_pairs(connection, "trip-duration", "1", "3", long_ago).shape == (0, 3)
    # of versions that were made later and have the same numbers
    assert judged_pairs(connection, "trip-duration", "1", "2", later).shape == (0, 3)
