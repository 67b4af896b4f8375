"""Small months of generated trips."""

import pyarrow as pa
import pytest
from trainer.data.months import Month
from trainer.usecases.trips import columns, rejection
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.synthetic import generate


def clean_month(month: str, rows: int = 4_000) -> pa.Table:
    trips = columns.normalise(generate(1, "green", Month.parse(month), rows), month)
    return clean(rejection.sift(trips, Month.parse(month)).accepted)[0]


@pytest.fixture(scope="session")
def january() -> pa.Table:
    return clean_month("2021-01")


@pytest.fixture(scope="session")
def february() -> pa.Table:
    return clean_month("2021-02")
