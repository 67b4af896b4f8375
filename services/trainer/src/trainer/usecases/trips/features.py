"""The taxi model's features, and the tables that two of them learn."""

import numpy as np
import pyarrow as pa
from contract import Contract
from contract.operations import AnyOperation, CategoryCode, Identity, Lookup, MinuteOfDay, Weekday
from numpy.typing import NDArray

from trainer.usecases.trips.fields import FIELDS, MODEL_NAME, OUTPUT, ZONES

PRIOR_TRIPS = 5
"""Weight of the prior in a zone's mean, in trips: a zone with few lies close to the median of all."""


def fit_contract(trips: pa.Table) -> Contract:
    """The contract, unsealed, with the tables learnt from clean trips; these must not be the ones that judge it."""
    return Contract(
        name=MODEL_NAME,
        description="How long a taxi trip in New York takes, known when it begins.",
        fields=FIELDS,
        features=_features(trips),
        output=OUTPUT,
    )


def _features(trips: pa.Table) -> list[AnyOperation]:
    return [
        CategoryCode(name="pickup_zone", field="pu_location_id"),
        CategoryCode(name="dropoff_zone", field="do_location_id"),
        Lookup(
            name="pickup_zone_minutes",
            description="Mean duration of trips from the zone, shrunk to the median of all",
            field="pu_location_id",
            table=_zone_means(trips, "pu_location_id"),
        ),
        Lookup(
            name="dropoff_zone_minutes",
            description="Mean duration of trips to the zone, shrunk to the median of all",
            field="do_location_id",
            table=_zone_means(trips, "do_location_id"),
        ),
        Identity(name="trip_distance", field="trip_distance"),
        MinuteOfDay(name="pickup_minute", field="pickup_at"),
        Weekday(name="pickup_weekday", field="pickup_at"),
        Identity(name="passenger_count", field="passenger_count"),
    ]


def _zone_means(trips: pa.Table, zone: str) -> list[float | None]:
    minutes: NDArray[np.float64] = trips[OUTPUT.name].to_numpy()
    position = trips[zone].to_numpy() - ZONES.start
    counts = np.bincount(position, minlength=len(ZONES))
    sums = np.bincount(position, weights=minutes, minlength=len(ZONES))
    means = (sums + PRIOR_TRIPS * np.median(minutes)) / (counts + PRIOR_TRIPS)
    return [round(float(mean), 4) for mean in means]
