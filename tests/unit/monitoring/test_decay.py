"""Whether a model keeps what it promised."""

from dataclasses import replace

import numpy as np
import pytest
from contract import Interval
from trainer.monitoring.decay import Outcomes, decay
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.reference import Promise
from trainer.monitoring.terms import Terms

TERMS = Terms(resamples=300, alpha=0.01)
HALF_WIDTH = 1.6449
"""Of the interval that holds 90% of a standard normal error."""


def world(rows: int, seed: int, error: float = 1.0, in_town: float | None = None) -> Outcomes:
    """Predictions of nothing but noise; with another error in town if one is given."""
    rng = np.random.default_rng(seed)
    town = rng.random(rows) < 0.3
    scale = np.where(town, error if in_town is None else in_town, error)
    return Outcomes(
        actual=rng.normal(20, 1, rows) * scale + 20 * (1 - scale),
        predicted=np.full(rows, 20.0),
        low=np.full(rows, 20 - HALF_WIDTH),
        high=np.full(rows, 20 + HALF_WIDTH),
        slices={"place": np.where(town, "town", "country").tolist(), "all": ["the same"] * rows},
    )


@pytest.fixture(scope="module")
def promise() -> Promise:
    held = world(20_000, 1)
    return Promise.of(held.actual, held.predicted, Interval(coverage=0.9, lower=-2, upper=2), held.slices)


def told(outcomes: Outcomes, promise: Promise, terms: Terms = TERMS) -> dict[tuple[str, str], Measurement]:
    return {(m.name, m.measure): m for m in decay(outcomes, promise, terms, seed=1)}


def alarms(found: dict[tuple[str, str], Measurement]) -> set[tuple[str, str]]:
    return {key for key, measurement in found.items() if measurement.alarm}


def test_a_model_that_keeps_its_promise_is_quiet(promise: Promise) -> None:
    found = told(world(2_000, 2), promise)

    assert not alarms(found)
    assert found["all", "rmse"].value == pytest.approx(1.0, abs=0.05)
    assert found["all", "rmse"].expected == promise.rmse
    assert found["all", "coverage"].value == pytest.approx(0.9, abs=0.02)
    assert {"place: town", "place: country", "all: the same"} <= {name for name, _ in found}


def test_a_larger_error_and_a_lower_coverage_are_alarms(promise: Promise) -> None:
    found = told(world(2_000, 2, error=1.4), promise)

    assert {("all", "rmse"), ("all", "coverage"), ("place: town", "rmse")} <= alarms(found)


def test_an_error_that_grew_a_little_is_none_however_sure_it_is(promise: Promise) -> None:
    found = told(world(50_000, 2, error=1.05), promise)

    rmse = found["all", "rmse"]
    assert rmse.p_value is not None
    assert rmse.p_value < TERMS.alpha
    assert not rmse.alarm


def test_a_large_error_that_chance_can_make_is_none(promise: Promise) -> None:
    outcomes = world(60, 3)
    # one outlier makes the error three times as large
    outcomes.actual[0] = 42.0
    found = told(outcomes, promise)

    rmse = found["all", "rmse"]
    assert rmse.value is not None
    assert rmse.value > 1.5 * promise.rmse
    assert not rmse.alarm


def test_a_slice_that_got_worse_is_named_though_the_whole_holds(promise: Promise) -> None:
    found = told(world(6_000, 2, error=0.9, in_town=1.3), promise)

    assert ("place: town", "rmse") in alarms(found)
    assert not {("all", "rmse"), ("place: country", "rmse")} & alarms(found)


def test_a_small_slice_is_shown_but_raises_no_alarm(promise: Promise) -> None:
    found = told(world(400, 2, in_town=3.0), promise)

    assert not found["place: town", "rmse"].alarm
    assert found["place: town", "rmse"].threshold is None
    assert found["place: town", "rmse"].value == pytest.approx(3.0, abs=0.6)


def test_a_model_without_an_interval_has_no_coverage(promise: Promise) -> None:
    none = np.full(500, np.nan)
    found = told(replace(world(500, 2), low=none, high=none), promise.model_copy(update={"coverage": None}))

    assert ("all", "coverage") not in found


def test_chance_raises_an_alarm_in_no_more_windows_than_said(promise: Promise) -> None:
    raised = [bool(alarms(told(world(400, seed), promise))) for seed in range(100, 300)]

    assert sum(raised) <= 2 * TERMS.alpha * len(raised)
