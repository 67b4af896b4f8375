"""Generated months: repeatable, as dirty as real ones, and worth learning from."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from trainer.data.months import Month
from trainer.data.source import Service
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.columns import normalise
from trainer.usecases.trips.ingestion import sift_parts
from trainer.usecases.trips.rejection import sift
from trainer.usecases.trips.synthetic import Synthetic, generate

JANUARY = Month(2021, 1)
SERVICES: list[Service] = ["green", "yellow"]


def test_the_same_month_is_the_same_file_byte_for_byte(tmp_path: Path) -> None:
    first = Synthetic(rows=2_000).fetch("green", JANUARY, tmp_path / "one")
    second = Synthetic(rows=2_000).fetch("green", JANUARY, tmp_path / "other")

    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_seed_service_month_and_rows_each_give_another_file(tmp_path: Path) -> None:
    files = [
        Synthetic(rows=1_000).fetch("green", JANUARY, tmp_path / "a"),
        Synthetic(rows=1_000).fetch("yellow", JANUARY, tmp_path / "b"),
        Synthetic(rows=1_000).fetch("green", JANUARY.next(), tmp_path / "c"),
        Synthetic(rows=1_000, seed=2).fetch("green", JANUARY, tmp_path / "d"),
        Synthetic(rows=1_001).fetch("green", JANUARY, tmp_path / "e"),
    ]

    assert len({file.sha256 for file in files}) == len(files)
    assert len({file.uri for file in files}) == len(files)


def test_a_second_fetch_leaves_one_file(tmp_path: Path) -> None:
    for _ in range(2):
        Synthetic(rows=1_000).fetch("green", JANUARY, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["green_tripdata_2021-01.parquet"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_generated_month_passes_where_real_ones_do_with_work_for_every_step(service: Service, tmp_path: Path) -> None:
    (sifted,) = sift_parts(Synthetic(rows=20_000).fetch(service, JANUARY, tmp_path), JANUARY)
    kept, left_out = clean(sifted.accepted)

    assert set(sifted.reasons) == {"pickup_outside_month", "dropoff_before_pickup"}
    assert set(left_out) == {"duration_under_1_minute", "duration_over_60_minutes", "distance_over_100_miles"}
    assert 0.95 < kept.num_rows / 20_000 < 0.98
    assert 0.1 < kept["passenger_count"].null_count / kept.num_rows < 0.2
    assert np.mean(kept["trip_distance"].to_numpy() == 0) > 0.01


def test_services_differ_as_the_tlc_s_files_do() -> None:
    green, yellow = (set(generate(1, service, JANUARY, 100).column_names) for service in SERVICES)

    assert {"lpep_pickup_datetime", "ehail_fee", "trip_type"} <= green
    assert {"tpep_pickup_datetime", "airport_fee"} <= yellow
    assert green.isdisjoint({"tpep_pickup_datetime", "airport_fee"})


def test_negative_durations_come_from_vendor_6_without_optional_fields() -> None:
    rejected = sift(normalise(generate(1, "green", JANUARY, 5_000), "generated"), JANUARY).rejected.to_pylist()
    backwards = [row for row in rejected if row["reason"] == "dropoff_before_pickup"]

    assert {row["vendor_id"] for row in backwards} == {6}
    assert {row["passenger_count"] for row in backwards} == {None}


def test_the_next_month_has_the_same_city_so_that_a_model_s_knowledge_lasts() -> None:
    """Mean minutes by zone pair and part of the day, learnt from one month, are right in the next."""
    months = [
        clean(normalise(generate(1, "green", month, 40_000), "generated"))[0] for month in (JANUARY, JANUARY.next())
    ]
    zones = [month["pu_location_id"].to_numpy() for month in months]
    minutes = [month["duration_minutes"].to_numpy() for month in months]
    means = [
        np.bincount(z, weights=m, minlength=266) / np.maximum(np.bincount(z, minlength=266), 1)
        for z, m in zip(zones, minutes, strict=True)
    ]
    busy = np.bincount(zones[0], minlength=266) > 200

    assert np.corrcoef(means[0][busy], means[1][busy])[0, 1] > 0.9


def test_the_rush_hour_is_slower_than_the_night_and_a_weekend_s_morning() -> None:
    trips, _ = clean(normalise(generate(1, "green", JANUARY, 40_000), "generated"))
    driven = trips["trip_distance"].to_numpy() > 0.5
    pickup = trips["pickup_at"].to_numpy()[driven].astype("datetime64[s]").astype(np.int64)
    pace = trips["duration_minutes"].to_numpy()[driven] / trips["trip_distance"].to_numpy()[driven]
    hour, weekday = pickup // 3600 % 24, (pickup // 86_400 + 3) % 7
    rush, night, morning = (
        float(np.median(pace[chosen]))
        for chosen in ((hour == 17) & (weekday < 5), (hour == 3) & (weekday < 5), (hour == 7) & (weekday >= 5))
    )

    assert rush > 1.3 * morning
    assert rush > 1.8 * night


def test_the_newest_month_is_two_months_back() -> None:
    assert Synthetic().newest("green", date(2026, 1, 31)) == [Month(2025, 11)]
    assert Synthetic().newest("green", date(2026, 1, 31), 2, until=Month(2021, 1)) == [Month(2020, 12), Month(2021, 1)]
