"""What really came of the trips that were predicted, out of the months that the city publishes later."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from trainer.data.copying import copy_in
from trainer.data.months import Month
from trainer.data.source import Service, SourceName
from trainer.data.transaction import Connection, Cursor, transaction
from trainer.data.warehouse import extract
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.fields import MODEL_NAME, OUTPUT

KEY = ["pickup_at", "pu_location_id", "do_location_id", "trip_distance"]
"""What a request says of a trip and the city's files say, too. The number of passengers is often missing."""


@dataclass(frozen=True)
class Matched:
    """A month's predictions, by what was found of them."""

    month: Month
    written: int
    """Outcomes that are new, or that a file which was loaded again has changed."""
    known: int
    """Those that a client told of, or that stood there already."""
    ambiguous: int
    """Several trips fit, with different durations."""
    unmatched: int
    """No trip fits."""


def months_predicted(connection: Connection, loaded: Sequence[Month]) -> list[Month]:
    """Those of the months in which predicted trips begin, in order."""
    with transaction(connection) as cursor:
        cursor.execute(MONTHS, _asked(None))
        predicted = {day for (day,) in cursor}
    return [month for month in loaded if month.first_day in predicted]


def match_month(connection: Connection, source: SourceName, service: Service, month: Month) -> Matched:
    """Writes the outcomes of predictions whose trips a month has; again it changes nothing.

    Trips that training would leave out, such as a meter left running, are no outcome.

    Raises:
        MonthNotLoaded: the warehouse doesn't have it.
    """
    trips = clean(extract(connection, source, service, [month]))[0]
    with transaction(connection) as cursor:
        _copy(cursor, trips)
        cursor.execute(MATCH, _asked(month))
        cursor.execute(WRITE)
        written = cursor.rowcount
        cursor.execute(
            "SELECT count(*) FILTER (WHERE low = high), count(*) FILTER (WHERE low < high), count(*) FILTER"
            " (WHERE low IS NULL) FROM matched_now"
        )
        found, ambiguous, unmatched = cursor.fetchone() or (0, 0, 0)
        return Matched(month, written, found - written, ambiguous, unmatched)


def _copy(cursor: Cursor, trips: pa.Table) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE trips_now (pickup_at timestamp, pu_location_id integer, do_location_id integer,"
        " trip_distance double precision, duration_minutes double precision) ON COMMIT DROP"
    )
    copy_in(cursor, "trips_now", trips.select([*KEY, OUTPUT.name]))
    cursor.execute("ANALYZE trips_now")


def _asked(month: Month | None) -> dict[str, object]:
    return {
        "model": MODEL_NAME,
        "start": month.start if month else None,
        "end": month.end if month else None,
    }


# fields are as they were sent: what isn't a time, or a number, can't be a trip's
ASKED = """
SELECT DISTINCT id, pickup_at, pu_location_id, do_location_id, trip_distance FROM (
    SELECT id,
        CASE WHEN pg_input_is_valid(fields ->> 'pickup_at', 'timestamp')
            THEN date_trunc('second', (fields ->> 'pickup_at')::timestamp) END AS pickup_at,
        CASE WHEN pg_input_is_valid(fields ->> 'pu_location_id', 'float8')
            THEN (fields ->> 'pu_location_id')::float8 END AS pu_location_id,
        CASE WHEN pg_input_is_valid(fields ->> 'do_location_id', 'float8')
            THEN (fields ->> 'do_location_id')::float8 END AS do_location_id,
        CASE WHEN pg_input_is_valid(fields ->> 'trip_distance', 'float8')
            THEN (fields ->> 'trip_distance')::float8 END AS trip_distance
    FROM predictions WHERE model = %(model)s
) sent
WHERE isfinite(pickup_at) AND (%(start)s::timestamp IS NULL OR pickup_at >= %(start)s AND pickup_at < %(end)s)
"""

MONTHS = f"SELECT DISTINCT date_trunc('month', pickup_at)::date FROM ({ASKED}) asked"  # noqa: S608  (texts of our own)

MATCH = f"""
CREATE TEMPORARY TABLE matched_now ON COMMIT DROP AS
SELECT asked.id, min(duration_minutes) AS low, max(duration_minutes) AS high
FROM ({ASKED}) asked LEFT JOIN trips_now USING (pickup_at, pu_location_id, do_location_id, trip_distance)
GROUP BY asked.id
"""  # noqa: S608

# what a client told us is worth more than what was found
WRITE = """
INSERT INTO outcomes AS known (prediction_id, actual, source, received_at)
SELECT id, low, 'trips', clock_timestamp() FROM matched_now WHERE low = high ORDER BY id
ON CONFLICT (prediction_id) DO UPDATE SET actual = excluded.actual, received_at = excluded.received_at
WHERE known.source = 'trips' AND known.actual IS DISTINCT FROM excluded.actual
"""
