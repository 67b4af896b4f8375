"""The raw fields of a trip, as a request has them, and what is predicted."""

from datetime import datetime

from contract import Output
from contract.fields import AnyField, Category, Integer, Number, Timestamp

MODEL_NAME = "trip-duration"
"""The registered model."""

ZONES = range(1, 266)
"""TLC taxi zones, the two for "unknown" (264) and "outside of the city" (265) among them."""

FIRST_MOMENT = datetime(2009, 1, 1)
"""The TLC's records begin here; earlier pick-ups are meters with a wrong clock."""

MOST_MILES = 100.0
MOST_PASSENGERS = 9

OUTPUT = Output(
    name="duration_minutes",
    unit="minute",
    description="Time from pick-up to drop-off.",
    minimum=0,
)

FIELDS: list[AnyField] = [
    Timestamp(
        name="pickup_at",
        description="When the trip begins",
        timezone="America/New_York",
        minimum=FIRST_MOMENT,
        example="2021-02-03T17:45:00",
    ),
    Category(
        name="pu_location_id",
        description="Taxi zone where the trip begins, by its TLC number",
        values=list(ZONES),
        example=74,
    ),
    Category(
        name="do_location_id",
        description="Taxi zone where the trip ends, by its TLC number",
        values=list(ZONES),
        example=166,
    ),
    Number(
        name="trip_distance",
        description="Length of the trip: the taximeter's at its end, an estimate before",
        unit="mile",
        minimum=0,
        maximum=MOST_MILES,
        example=2.3,
    ),
    Integer(
        name="passenger_count",
        description="Passengers as the driver enters them",
        unit="passenger",
        required=False,
        minimum=0,
        maximum=MOST_PASSENGERS,
        example=1,
    ),
]
