"""What one writes in an afternoon: FastAPI, a pydantic model of ready-made features, XGBoost's fastest call."""

import os

import numpy as np
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel

booster = xgboost.Booster({"nthread": 1})
booster.load_model(os.environ["BENCH_MODEL"])


class Features(BaseModel):
    """In the order of the booster's columns."""

    pickup_zone: float
    dropoff_zone: float
    pickup_zone_minutes: float
    dropoff_zone_minutes: float
    trip_distance: float
    pickup_minute: float
    pickup_weekday: float
    passenger_count: float


app = FastAPI()


@app.post("/predict")
async def predict(features: Features) -> dict[str, float]:
    row = np.array([list(features.model_dump().values())], dtype=np.float32)
    return {"prediction": float(booster.inplace_predict(row)[0])}
