"""Months of trips for the warehouse."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile
from trainer.usecases.trips.columns import TRIPS
from trainer.usecases.trips.rejection import sift

MakeMonth = Callable[..., tuple[Sifted, MonthFile]]


@pytest.fixture(scope="session")
def make_month() -> MakeMonth:
    """``make_month(month, good=3, bad=1, miles=2.5)``: sifted rows and the file that they'd be from."""
    return _make_month


def _make_month(month: Month, good: int = 3, bad: int = 1, miles: float = 2.5) -> tuple[Sifted, MonthFile]:
    rows = good + bad
    pickups = [month.start + timedelta(seconds=37 * n) for n in range(rows)]
    given = {
        "pickup_at": pickups,
        "dropoff_at": [pickup + timedelta(minutes=10) for pickup in pickups],
        "pu_location_id": [74] * rows,
        "do_location_id": [75] * good + [999] * bad,
        "trip_distance": [miles] * rows,
        "passenger_count": [None if n % 2 else 1 for n in range(rows)],
        "store_and_fwd_flag": ["" if n % 2 else 'N,"' for n in range(rows)],
    }
    columns = [pa.array(given.get(field.name, [None] * rows), field.type) for field in TRIPS]
    file = MonthFile(Path("month.parquet"), f"somewhere/{month}.parquet", f"{miles}", 1234)
    return sift(pa.table(columns, schema=TRIPS), month), file
