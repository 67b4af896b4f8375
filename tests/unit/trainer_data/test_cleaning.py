"""What training uses of the trips in the warehouse."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from contract import Contract
from contract.operations import Identity
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.fields import FIELDS, MODEL_NAME, OUTPUT

MakeTrips = Callable[..., pa.Table]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("minutes", 1.0),
        ("minutes", 60.0),
        ("trip_distance", 0.0),
        ("trip_distance", 100.0),
        ("pickup_at", datetime(2009, 1, 1)),
        ("pu_location_id", 265),
        ("passenger_count", None),
    ],
)
def test_bounds_are_kept(make_trips: MakeTrips, column: str, value: Any) -> None:
    kept, left_out = clean(make_trips(**{column: [value]}))

    assert kept.num_rows == 1
    assert left_out == {}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("minutes", 59 / 60, "duration_under_1_minute"),
        ("minutes", 3601 / 60, "duration_over_60_minutes"),
        ("minutes", -5.0, "duration_under_1_minute"),
        ("minutes", None, "duration_missing"),
        ("trip_distance", 100.01, "distance_over_100_miles"),
        ("trip_distance", -0.01, "distance_negative"),
        ("trip_distance", float("nan"), "distance_missing"),
        ("pickup_at", None, "pickup_missing"),
        ("pickup_at", datetime(2008, 12, 31, 23, 59), "pickup_before_2009"),
        ("pu_location_id", 266, "pickup_zone_unknown"),
        ("do_location_id", None, "dropoff_zone_unknown"),
    ],
)
def test_what_a_model_can_t_learn_from_is_left_out_and_counted(
    make_trips: MakeTrips, column: str, value: Any, reason: str
) -> None:
    kept, left_out = clean(make_trips(**{column: [value]}))

    assert kept.num_rows == 0
    assert left_out == {reason: 1}


def test_a_trip_with_an_odd_number_of_passengers_stays_without_the_number(make_trips: MakeTrips) -> None:
    kept, left_out = clean(make_trips(passenger_count=[-1, 0, 9, 10, 112, None]))

    assert kept["passenger_count"].to_pylist() == [None, 0, 9, None, None, None]
    assert left_out == {}


def test_trips_come_by_pick_up_and_those_of_a_moment_as_they_were(make_trips: MakeTrips) -> None:
    early, late = datetime(2021, 1, 2), datetime(2021, 1, 3)

    kept, _ = clean(make_trips(pickup_at=[late, early, late, early] * 50, trip_distance=[n / 10 for n in range(200)]))

    distances = kept["trip_distance"].to_pylist()
    assert kept["pickup_at"].to_pylist() == [early] * 100 + [late] * 100
    assert distances[:100] == sorted(distances[:100])
    assert distances[100:] == sorted(distances[100:])


def test_durations_are_in_minutes(make_trips: MakeTrips) -> None:
    kept, _ = clean(make_trips(minutes=[12.5]))

    assert kept[OUTPUT.name].to_pylist() == [12.5]


def test_the_contract_takes_every_clean_trip_and_no_column_is_missing(make_trips: MakeTrips) -> None:
    contract = Contract(
        name=MODEL_NAME, fields=FIELDS, features=[Identity(name="miles", field="trip_distance")], output=OUTPUT
    )
    kept, _ = clean(make_trips(passenger_count=[200, None], trip_distance=[0.0, 100.0], pu_location_id=[1, 265]))

    assert kept.column_names == [*(field.name for field in FIELDS), OUTPUT.name]
    assert contract.matrix(kept).tolist() == [[0.0], [100.0]]


def test_no_trips_are_no_trips(make_trips: MakeTrips) -> None:
    kept, left_out = clean(make_trips().slice(0, 0))

    assert (kept.num_rows, left_out) == (0, {})


def test_the_contract_s_own_example_is_a_valid_request() -> None:
    contract = Contract(
        name=MODEL_NAME, fields=FIELDS, features=[Identity(name="miles", field="trip_distance")], output=OUTPUT
    )

    assert contract.matrix(pa.Table.from_pylist([contract.example()])).shape == (1, 1)


def test_a_trip_that_ends_in_another_millennium_is_left_out_as_a_long_one(make_trips: MakeTrips) -> None:
    # of a warehouse that was filled before ingestion knew such rows
    kept, reasons = clean(make_trips(minutes=[10.0, 60 * 24 * 365.25 * 998]))
    assert (kept.num_rows, reasons) == (1, {"duration_over_60_minutes": 1})
