"""The TLC's own months: January and February of 2021 are alike, January of 2023 isn't."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from contract import Contract
from trainer.data.months import Month
from trainer.data.source import MonthFile
from trainer.monitoring.columns import Column, columns_of
from trainer.monitoring.drift import Drift, drifts
from trainer.monitoring.terms import Terms
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.columns import read
from trainer.usecases.trips.features import fit_contract
from trainer.usecases.trips.rejection import sift

DATA = Path(os.environ.get("ROUNDHOUSE_TLC_DATA", "/nonexistent"))
TERMS = Terms()
AN_HOUR = 100
"""Trips of an hour, about."""
WINDOWS = 200
MOST_FALSE = 0.01
"""Share of windows: the months are alike, but not the same."""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not DATA.is_dir(), reason="ROUNDHOUSE_TLC_DATA names no folder with the TLC's green taxi files"),
]


@cache
def trips(month: str) -> pa.Table:
    file = MonthFile(DATA / f"green_tripdata_{month}.parquet", month, "", 0)
    return clean(sift(pa.concat_tables(read(file)), Month.parse(month)).accepted)[0]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return fit_contract(trips("2021-01"))


@pytest.fixture(scope="module")
def reference(contract: Contract) -> Sequence[Column]:
    return columns_of(contract, trips("2021-01"))


Against = Callable[[pa.Table], list[Drift]]


@pytest.fixture(scope="module")
def against(contract: Contract, reference: Sequence[Column]) -> Against:
    return lambda now: drifts(reference, columns_of(contract, now), TERMS)


def indices(found: Sequence[Drift]) -> Mapping[str, float]:
    return {f"{drift.now.kind} {drift.now.name}": drift.psi or 0.0 for drift in found}


def test_the_month_after_is_quiet(against: Against) -> None:
    found = against(trips("2021-02"))

    assert len(indices(found)) == 12
    assert max(round(index, 3) for index in indices(found).values()) <= 0.009
    assert max(drift.missing_psi or 0.0 for drift in found) <= 0.002
    assert not any(drift.drifted or drift.missing_drifted for drift in found)


def test_two_years_later_distance_and_pick_up_zone_are_named_first(against: Against) -> None:
    found = [drift for drift in against(trips("2023-01")) if drift.drifted and drift.now.kind == "field"]
    found.sort(key=lambda drift: -(drift.psi or 0.0))

    assert [(drift.now.name, round(drift.psi or 0.0, 2)) for drift in found] == [
        ("trip_distance", 0.24),
        ("pu_location_id", 0.22),
    ]


def test_that_passengers_are_entered_more_often_is_told_apart(against: Against) -> None:
    (passengers,) = [drift for drift in against(trips("2023-01")) if drift.missing_psi is not None]

    assert (passengers.now.name, passengers.drifted, passengers.missing_drifted) == ("passenger_count", False, True)


@pytest.mark.parametrize("month", ["2021-01", "2021-02"])
def test_an_hour_of_a_month_that_hasn_t_drifted_raises_no_more_alarms_than_said(against: Against, month: str) -> None:
    raised = 0
    for seed in range(WINDOWS):
        rows = np.random.default_rng(seed).choice(trips(month).num_rows, AN_HOUR, replace=False)
        raised += any(drift.drifted or drift.missing_drifted for drift in against(trips(month).take(rows)))

    assert raised <= MOST_FALSE * WINDOWS


def test_an_hour_of_a_month_that_has_is_seen_mostly(against: Against) -> None:
    raised = 0
    for seed in range(20):
        rows = np.random.default_rng(seed).choice(trips("2023-01").num_rows, AN_HOUR, replace=False)
        raised += any(drift.drifted or drift.missing_drifted for drift in against(trips("2023-01").take(rows)))

    assert raised >= 18
