"""Generated months with the columns, the habits and the faults of the TLC's, where there is no network.

The same seed, service, month and number of rows give the same file, byte for byte.
"""

import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.data.files import replacing
from trainer.data.months import PUBLICATION_LAG, Month, last_months
from trainer.data.source import MonthFile, Service, file_name, sha256_of
from trainer.usecases.trips.city import City, Floats, draw_minutes
from trainer.usecases.trips.faults import Columns, spoil

ROWS = 60_000

_DAYS_DEMAND = np.array([0.90, 0.95, 1.00, 1.05, 1.15, 1.10, 0.85])
"""Trips on Monday to Sunday, relative to the week's mean."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A source that has every month; the newest is the one that the TLC would have."""

    seed: int = 1
    rows: int = ROWS
    """In each month."""

    def fetch(self, service: Service, month: Month, into: Path) -> MonthFile:
        """Writes the month's file anew."""
        path = into / file_name(service, month)
        with replacing(path) as temporary:
            pq.write_table(generate(self.seed, service, month, self.rows), temporary)
        uri = f"synthetic:{path.name}?seed={self.seed}&rows={self.rows}"
        return MonthFile(path, uri, sha256_of(path), path.stat().st_size)

    def newest(self, service: Service, today: date, count: int = 1, until: Month | None = None) -> list[Month]:
        """As late as the TLC publishes."""
        published = Month.of(today).plus(-PUBLICATION_LAG)
        return last_months(min(until or published, published), count)


def generate(seed: int, service: Service, month: Month, rows: int = ROWS) -> pa.Table:
    """A month with the columns of the TLC's files for the service, faults included, by pick-up."""
    city = City.draw(seed)
    of_service = zlib.crc32(service.encode())
    preference = np.random.default_rng([seed, of_service]).lognormal(0, 0.8, len(city.attraction))
    rng = np.random.default_rng([seed, of_service, month.year, month.number])
    trips = _trips(city, rng, city.attraction * preference, month, rows)
    spoil(trips, rng, month)
    order = np.argsort(trips["pickup"], kind="stable")
    return _as_published({name: values[order] for name, values in trips.items()}, service)


def _trips(city: City, rng: np.random.Generator, origins: Floats, month: Month, rows: int) -> Columns:
    days = np.arange(np.datetime64(month.start, "D"), np.datetime64(month.end, "D")).astype(np.int64)
    demand = _DAYS_DEMAND[(days + 3) % 7]  # 1970-01-01 was a Thursday
    day = rng.choice(days, rows, p=demand / demand.sum())
    weekend = (day + 3) % 7 >= 5
    minute = draw_minutes(rng, weekend)
    start, end = city.draw_pairs(rng, rows, origins)
    miles = city.miles(rng, start, end)
    minutes = city.minutes(rng, start, end, miles, minute, weekend)
    pickup = day * 86_400 + minute * 60 + rng.integers(0, 60, rows)
    dropoff = pickup + np.maximum(np.round(minutes * 60), 60).astype(np.int64)
    trips = {"pickup": pickup, "dropoff": dropoff, "pu": start, "do": end, "miles": miles}
    return trips | _particulars(rng, rows) | _amounts(rng, miles, minutes)


def _particulars(rng: np.random.Generator, rows: int) -> Columns:
    return {
        "vendor": rng.choice([1, 2], rows, p=[0.2, 0.8]),
        "flag": (rng.random(rows) < 0.005).astype(np.float64),
        "ratecode": rng.choice([1.0, 2.0, 5.0], rows, p=[0.95, 0.01, 0.04]),
        "passengers": rng.choice([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], rows, p=[0.83, 0.09, 0.03, 0.01, 0.02, 0.02]),
        "payment": rng.choice([1.0, 2.0, 3.0], rows, p=[0.6, 0.39, 0.01]),
        "trip_type": rng.choice([1.0, 2.0], rows, p=[0.97, 0.03]),
        "congestion": rng.choice([0.0, 2.75], rows, p=[0.7, 0.3]),
    }


def _amounts(rng: np.random.Generator, miles: Floats, minutes: Floats) -> Columns:
    fare = np.round(3.0 + 1.75 * miles + 0.35 * minutes, 1)
    extra = rng.choice([0.0, 0.5, 1.0], len(fare))
    tip = np.round(fare * rng.choice([0.0, 0.15, 0.2], len(fare)), 2)
    return {"fare": fare, "extra": extra, "tip": tip, "total": np.round(fare + extra + tip + 0.8, 2)}


def _as_published(trips: Columns, service: Service) -> pa.Table:
    rows = len(trips["pickup"])
    prefix = {"green": "lpep", "yellow": "tpep"}[service]
    flag = trips["flag"]
    columns = {
        "VendorID": trips["vendor"],
        f"{prefix}_pickup_datetime": trips["pickup"].astype("datetime64[s]").astype("datetime64[us]"),
        f"{prefix}_dropoff_datetime": trips["dropoff"].astype("datetime64[s]").astype("datetime64[us]"),
        "store_and_fwd_flag": pa.array(np.where(flag == 1, "Y", "N"), pa.string(), mask=np.isnan(flag)),
        "RatecodeID": trips["ratecode"],
        "PULocationID": trips["pu"],
        "DOLocationID": trips["do"],
        "passenger_count": trips["passengers"],
        "trip_distance": trips["miles"],
        "fare_amount": trips["fare"],
        "extra": trips["extra"],
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": trips["tip"],
        "tolls_amount": np.zeros(rows),
        "improvement_surcharge": np.full(rows, 0.3),
        "total_amount": trips["total"],
        "payment_type": trips["payment"],
        "congestion_surcharge": trips["congestion"],
    }
    only = {
        "green": {"ehail_fee": pa.nulls(rows), "trip_type": trips["trip_type"]},
        "yellow": {"airport_fee": pa.nulls(rows)},
    }
    every = columns | only[service]
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in every.items()})
