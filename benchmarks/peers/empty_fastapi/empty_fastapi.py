"""A FastAPI endpoint that checks the same raw fields and answers a constant. What the framework itself costs."""

import os
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, NaiveDatetime

PREDICTION = float(os.environ["BENCH_PREDICTION"])

Zone = Annotated[int, Field(ge=1, le=265)]


class Trip(BaseModel):
    """The taxi contract's fields."""

    model_config = ConfigDict(extra="forbid")

    pickup_at: NaiveDatetime
    pu_location_id: Zone
    do_location_id: Zone
    trip_distance: Annotated[float, Field(ge=0, le=100)]
    passenger_count: Annotated[int, Field(ge=0, le=9)] | None = None


app = FastAPI()


@app.post("/predict")
async def predict(trip: Trip) -> dict[str, float]:  # noqa: ARG001  (checked, and that is all)
    return {"prediction": PREDICTION}
