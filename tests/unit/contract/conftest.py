"""A second use case than taxis: hourly demand of rental bikes, with every kind of field and operation."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from contract import Contract, Golden, Interval, Output, bundle
from contract.fields import Category, Integer, Number, Timestamp
from contract.golden import requests_of
from contract.operations import (
    CategoryCode,
    Cross,
    Difference,
    Hour,
    Identity,
    Lookup,
    MinuteOfDay,
    Month,
    Ratio,
    Weekday,
)


@pytest.fixture(scope="session")
def bikes() -> Contract:
    return Contract(
        name="bike-demand",
        fields=[
            Timestamp(
                name="at",
                description="Hour",
                example="2024-05-01T08:00:00",
                minimum=datetime(1900, 1, 1),
                maximum=datetime(2199, 12, 31),
            ),
            Timestamp(name="announced_at", description="Forecast", example="2024-04-30T20:00:00", required=False),
            Category(name="station", description="Station", example=7, values=list(range(5, 12))),
            Category(name="sky", description="Sky", example="clear", values=["clear", "rain"], unknown="missing"),
            Category(name="season", description="Season", example="spring", values=["spring", "summer"]),
            Number(name="temperature", description="Air", unit="°C", example=18.5, minimum=-40, maximum=50),
            Number(name="felt", description="Felt", unit="°C", example=17.0, required=False),
            Integer(name="docks", description="Docks", example=20, required=False, default=10, minimum=0, maximum=99),
        ],
        features=[
            Identity(name="temperature", field="temperature"),
            Identity(name="docks", field="docks"),
            CategoryCode(name="sky", field="sky"),
            Hour(name="hour", field="at"),
            MinuteOfDay(name="minute", field="at"),
            Weekday(name="weekday", field="at"),
            Month(name="month", field="at"),
            Difference(name="chill", left="temperature", right="felt"),
            Difference(name="ahead", left="at", right="announced_at"),
            Ratio(name="felt_ratio", left="felt", right="temperature"),
            Ratio(name="per_dock", left="temperature", right="docks"),
            Cross(name="station_season", left="station", right="season"),
            Lookup(name="station_mean", field="station", table=[1.5, None, 2.25, 0.1, -3.0, 7.0, 1e-3]),
            Lookup(name="sky_mean", field="sky", table=[4.0, 0.3]),
        ],
        output=Output(name="rentals", unit="bike", minimum=0, interval=Interval(coverage=0.9, lower=-4, upper=6)),
    )


@pytest.fixture(scope="session")
def bike_rows() -> pa.Table:
    return pa.table(
        {
            "at": [datetime(2024, 5, day + 1, day % 24, 30) for day in range(28)],
            "station": [5 + day % 7 for day in range(28)],
            "sky": ["clear" if day % 3 else None for day in range(28)],
            "season": ["spring" if day % 2 else "summer" for day in range(28)],
            "temperature": [float(day) - 3.3 for day in range(28)],
            "felt": [None if day % 5 == 0 else float(day) for day in range(28)],
            "docks": pa.array([None if day % 4 == 0 else day for day in range(28)], pa.int32()),
        }
    ).set_column(2, "sky", pa.array(["clear" if day % 3 else "hail" for day in range(28)]))


@pytest.fixture(scope="session")
def bike_bundle(bikes: Contract, bike_rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle with a real booster; tests that damage it copy it first."""
    features = bikes.matrix(bike_rows)
    outcome = np.arange(len(features), dtype=np.float32)
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.DMatrix(features, outcome), 10)
    predictions = booster.inplace_predict(features)
    folder = tmp_path_factory.mktemp("bikes")
    golden = Golden(rows=requests_of(bikes, bike_rows), predictions=[float(value) for value in predictions])
    bundle.write(folder, bikes, bytes(booster.save_raw("ubj")), golden)
    return folder
