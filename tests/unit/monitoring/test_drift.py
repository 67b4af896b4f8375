"""What has drifted, and what hasn't."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from contract import Contract
from trainer.monitoring.columns import as_table, columns_of
from trainer.monitoring.drift import Drift, drifts
from trainer.monitoring.terms import Terms

MakeRows = Callable[..., pa.Table]
TERMS = Terms()
Found = dict[tuple[str, str], Drift]


@pytest.fixture(scope="session")
def reference(make_rows: MakeRows) -> pa.Table:
    return make_rows(8_000, 1)


@pytest.fixture
def found(contract: Contract, reference: pa.Table) -> Callable[[pa.Table], Found]:
    """``found(now)``: each column's drift by its kind and name."""

    def find(now: pa.Table) -> Found:
        every = drifts(columns_of(contract, reference), columns_of(contract, now), TERMS)
        return {(drift.now.kind, drift.now.name): drift for drift in every}

    return find


def alarms(found: Found) -> set[tuple[str, str]]:
    return {name for name, drift in found.items() if drift.drifted or drift.missing_drifted}


def test_rows_of_the_same_distribution_are_quiet(found: Callable[[pa.Table], Found], make_rows: MakeRows) -> None:
    everything = found(make_rows(3_000, 2))

    assert not alarms(everything)
    assert {name for kind, name in everything if kind == "field"} == {"station", "temperature", "wind", "docks"}
    assert len([name for kind, name in everything if kind == "feature"]) == 6


def test_a_number_that_moved_is_named_with_the_features_made_of_it(
    found: Callable[[pa.Table], Found], make_rows: MakeRows
) -> None:
    everything = found(make_rows(3_000, 2, warmer=10))

    expected = {("field", "temperature"), ("feature", "temperature"), ("feature", "chill")}
    assert alarms(everything) == expected
    field, feature = everything["field", "temperature"], everything["feature", "temperature"]
    assert (field.psi, field.p_value) == (feature.psi, feature.p_value)


def test_a_small_move_is_no_alarm_however_sure_it_is(found: Callable[[pa.Table], Found], make_rows: MakeRows) -> None:
    temperature = found(make_rows(30_000, 2, warmer=0.5))["field", "temperature"]

    assert temperature.p_value is not None
    assert temperature.p_value < TERMS.alpha
    assert temperature.psi is not None
    assert temperature.psi < TERMS.most_psi
    assert not temperature.drifted


def test_a_move_that_chance_can_make_is_no_alarm_however_large_it_is(
    found: Callable[[pa.Table], Found], make_rows: MakeRows
) -> None:
    windows = [found(make_rows(60, seed)) for seed in range(10, 50)]

    indices = [drift.psi for window in windows for drift in window.values() if drift.psi is not None]
    assert max(indices) > TERMS.most_psi
    assert not any(alarms(window) for window in windows)


def test_a_new_category_is_seen(found: Callable[[pa.Table], Found], make_rows: MakeRows) -> None:
    assert alarms(found(make_rows(500, 2, stations="abcd"))) == {("field", "station"), ("feature", "station")}


def test_values_that_go_missing_are_told_apart_from_values_that_move(
    found: Callable[[pa.Table], Found], make_rows: MakeRows
) -> None:
    docks = found(make_rows(1_000, 2, missing=0.7))["field", "docks"]

    assert (docks.drifted, docks.missing_drifted) == (False, True)
    told = {measurement.measure: measurement for measurement in docks.measurements()}
    assert told["missing"].value == pytest.approx(0.7, abs=0.05)
    assert told["missing"].expected == pytest.approx(0.2, abs=0.05)


def test_a_field_that_is_missing_in_every_row_has_no_distribution_but_an_alarm(
    found: Callable[[pa.Table], Found], make_rows: MakeRows
) -> None:
    rows = make_rows(400, 2, missing=1.0)
    for now in (rows, rows.drop_columns(["docks"])):
        docks = found(now)["field", "docks"]
        assert (docks.psi, docks.p_value, docks.missing_drifted) == (None, None, True)


def test_rows_of_one_day_raise_no_alarm_about_the_weekday(
    found: Callable[[pa.Table], Found], make_rows: MakeRows
) -> None:
    everything = found(make_rows(1_000, 2, days=0.95))

    weekday = everything["feature", "weekday"]
    assert weekday.now.partial
    assert weekday.psi is not None
    assert weekday.psi > TERMS.most_psi
    assert not alarms(everything)
    assert not everything["feature", "minute"].now.partial


def test_a_constant_field_is_quiet_until_it_changes(contract: Contract, make_rows: MakeRows) -> None:
    def calm(count: int, seed: int, wind: float) -> pa.Table:
        return make_rows(count, seed).set_column(3, "wind", pa.array([wind] * count))

    reference = columns_of(contract, calm(2_000, 1, 3.0))
    for wind, expected in ((3.0, False), (3.5, True)):
        every = drifts(reference, columns_of(contract, calm(500, 2, wind)), TERMS)
        (field,) = [drift for drift in every if drift.now.name == "wind"]
        assert field.drifted is expected


def test_recorded_rows_become_the_table_that_training_had(contract: Contract, make_rows: MakeRows) -> None:
    table = make_rows(50, 1)
    again = as_table(contract, table.to_pylist())

    np.testing.assert_array_equal(contract.matrix(again), contract.matrix(table))
