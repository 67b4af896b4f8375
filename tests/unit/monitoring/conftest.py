"""A small model's contract, and rows whose distribution is known."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contract import Contract, Interval, Output
from contract.fields import Category, Integer, Number, Timestamp
from contract.operations import CategoryCode, Identity, MinuteOfDay, Ratio, Weekday

MakeRows = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract(
        name="bike-demand",
        fields=[
            Timestamp(name="at", description="Hour", example="2024-05-01T08:00:00"),
            Category(name="station", description="Station", example="a", values=["a", "b", "c", "d"]),
            Number(name="temperature", description="Air", example=18.5),
            Number(name="wind", description="Wind", example=3.5),
            Integer(name="docks", description="Docks", example=20, required=False, minimum=0, maximum=99),
        ],
        features=[
            CategoryCode(name="station", field="station"),
            Identity(name="temperature", field="temperature"),
            Ratio(name="chill", left="temperature", right="wind"),
            MinuteOfDay(name="minute", field="at"),
            Weekday(name="weekday", field="at"),
            Identity(name="docks", field="docks"),
        ],
        output=Output(name="rentals", unit="bike", interval=Interval(coverage=0.9, lower=-4, upper=4)),
    )


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    """``make_rows(count, seed, days=28, stations="abc", warmer=0, missing=0.2)``"""
    return _rows


def _rows(
    count: int,
    seed: int,
    *,
    days: float = 28,
    stations: Sequence[str] = "abc",
    warmer: float = 0.0,
    missing: float = 0.2,
) -> pa.Table:
    rng = np.random.default_rng(seed)
    begin = datetime(2024, 5, 6)
    docks: list[Any] = [
        None if gone else int(n)
        for gone, n in zip(rng.random(count) < missing, rng.integers(0, 60, count), strict=True)
    ]
    return pa.table(
        {
            "at": pa.array([begin + timedelta(days=share) for share in rng.random(count) * days], pa.timestamp("us")),
            "station": rng.choice(list(stations), count).tolist(),
            "temperature": rng.normal(15 + warmer, 5, count),
            "wind": rng.gamma(2, 2, count),
            "docks": pa.array(docks, pa.float64()),
        }
    )
