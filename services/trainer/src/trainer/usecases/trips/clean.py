"""Which trips a model learns from and is judged on.

Ingestion keeps everything that can be true. Here the merely unusual goes too: trips under a minute, the near-24-hour
ones of a meter left running, distances that no taxi drives in an hour.
"""

import pyarrow as pa
import pyarrow.compute as pc

from trainer.usecases.trips.fields import FIELDS, FIRST_MOMENT, MOST_MILES, MOST_PASSENGERS, OUTPUT
from trainer.usecases.trips.rejection import Check, count, first_reasons, missing, no_zone

SHORTEST = 1.0
LONGEST = 60.0
"""Minutes; a trip of exactly either is kept."""

_MICROSECONDS_A_MINUTE = 60_000_000


def clean(trips: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Trips as training uses them, in the order of their pick-ups; those of the same moment as they came.

    Args:
        trips: at least ``pickup_at``, ``dropoff_at`` (timestamp[us]), ``pu_location_id``, ``do_location_id``,
            ``trip_distance`` (miles) and ``passenger_count``.

    Returns:
        The contract's fields and ``duration_minutes`` (float64) as columns, every row valid by the contract; and how
        many rows were left out, by the first reason that holds.
    """
    timed = trips.append_column(OUTPUT.name, _minutes(trips["pickup_at"], trips["dropoff_at"]))
    reasons = first_reasons(timed, _CHECKS)
    kept = timed.filter(pc.is_null(reasons)).select([*(field.name for field in FIELDS), OUTPUT.name])
    ordered = kept.take(pc.sort_indices(kept["pickup_at"])).combine_chunks()
    return _without_odd_passengers(ordered), count(reasons)


def _minutes(pickup: pa.ChunkedArray, dropoff: pa.ChunkedArray) -> pa.ChunkedArray:
    elapsed = pc.subtract(dropoff, pickup).cast(pa.duration("us")).cast(pa.int64())
    # unsafe: after three centuries of microseconds a float isn't exact, which is told from the others all the same
    return pc.divide(elapsed.cast(pa.float64(), safe=False), float(_MICROSECONDS_A_MINUTE))


def _without_odd_passengers(trips: pa.Table) -> pa.Table:
    """No counts that the contract refuses: the trip is as good without."""
    passengers = trips["passenger_count"]
    odd = pc.or_(pc.less(passengers, 0), pc.greater(passengers, MOST_PASSENGERS))
    position = trips.column_names.index("passenger_count")
    sound = pc.if_else(odd, pa.scalar(None, passengers.type), passengers)
    return trips.set_column(position, "passenger_count", sound)


_CHECKS: list[Check] = [
    ("pickup_missing", missing("pickup_at")),
    ("duration_missing", missing(OUTPUT.name)),
    ("pickup_before_2009", lambda trips: pc.less(trips["pickup_at"], pa.scalar(FIRST_MOMENT, pa.timestamp("us")))),
    ("pickup_zone_unknown", no_zone("pu_location_id")),
    ("dropoff_zone_unknown", no_zone("do_location_id")),
    ("duration_under_1_minute", lambda trips: pc.less(trips[OUTPUT.name], SHORTEST)),
    ("duration_over_60_minutes", lambda trips: pc.greater(trips[OUTPUT.name], LONGEST)),
    ("distance_missing", lambda trips: pc.is_null(trips["trip_distance"], nan_is_null=True)),
    ("distance_negative", lambda trips: pc.less(trips["trip_distance"], 0)),
    ("distance_over_100_miles", lambda trips: pc.greater(trips["trip_distance"], MOST_MILES)),
]
