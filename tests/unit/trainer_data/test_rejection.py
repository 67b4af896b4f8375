"""Rows that can't be true are kept out, and nothing else is."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from trainer.data.months import Month
from trainer.usecases.trips.rejection import sift

MakeTrips = Callable[..., pa.Table]
JANUARY = Month(2021, 1)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("pickup_at", None, "pickup_missing"),
        ("minutes", None, "dropoff_missing"),
        ("pickup_at", datetime(2020, 12, 31, 23, 59, 59, 999_999), "pickup_outside_month"),
        ("pickup_at", datetime(2021, 2, 1), "pickup_outside_month"),
        ("pickup_at", datetime(2008, 12, 31, 12), "pickup_outside_month"),
        ("minutes", -0.5, "dropoff_before_pickup"),
        ("minutes", 60 * 24 * 365.25 * 998, "dropoff_long_after_pickup"),
        ("pu_location_id", None, "pickup_zone_unknown"),
        ("pu_location_id", 0, "pickup_zone_unknown"),
        ("do_location_id", 266, "dropoff_zone_unknown"),
        ("trip_distance", None, "distance_missing"),
        ("trip_distance", -0.01, "distance_negative"),
    ],
)
def test_a_row_that_can_t_be_true_is_rejected_with_its_reason(
    make_trips: MakeTrips, column: str, value: Any, reason: str
) -> None:
    sifted = sift(make_trips(**{column: [value]}), JANUARY)

    assert sifted.reasons == {reason: 1}
    assert sifted.rejected["reason"].to_pylist() == [reason]
    assert sifted.accepted.num_rows == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pickup_at", datetime(2021, 1, 1)),
        ("pickup_at", datetime(2021, 1, 31, 23, 59, 59, 999_999)),
        ("minutes", 0.0),
        ("minutes", 1439.9),
        ("minutes", 60.0 * 24 * 30),
        ("pu_location_id", 1),
        ("do_location_id", 265),
        ("trip_distance", 0.0),
        ("trip_distance", 259_777.0),
        ("passenger_count", None),
        ("passenger_count", 112),
    ],
)
def test_a_row_that_is_merely_unusual_stays(make_trips: MakeTrips, column: str, value: Any) -> None:
    sifted = sift(make_trips(**{column: [value]}), JANUARY)

    assert sifted.accepted.num_rows == 1
    assert sifted.reasons == {}


def test_a_row_counts_once_by_its_first_reason(make_trips: MakeTrips) -> None:
    trips = make_trips(minutes=[-1.0, 10.0, -1.0], trip_distance=[-1.0, -1.0, 1.0], pu_location_id=[0, 5, 5])

    sifted = sift(trips, JANUARY)

    assert sifted.reasons == {"dropoff_before_pickup": 2, "distance_negative": 1}


def test_rows_keep_their_numbers_in_the_file(make_trips: MakeTrips) -> None:
    sifted = sift(make_trips(trip_distance=[1.0, -1.0, 2.0, None]), JANUARY)

    assert sifted.accepted["file_row"].to_pylist() == [0, 2]
    assert sifted.rejected["file_row"].to_pylist() == [1, 3]


def test_a_later_part_s_rows_keep_their_numbers_too(make_trips: MakeTrips) -> None:
    sifted = sift(make_trips(trip_distance=[1.0, -1.0]), JANUARY, first_row=250_000)

    assert sifted.accepted["file_row"].to_pylist() == [250_000]
    assert sifted.rejected["file_row"].to_pylist() == [250_001]
