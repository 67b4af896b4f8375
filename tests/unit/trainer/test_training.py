"""Fitting and judging boosters."""

import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contract import InvalidInput, bundle
from contract.booster import load
from contract.errors import GoldenMismatch
from trainer.modelling.bundles import seal
from trainer.modelling.evaluation import Predicted, calibrate, covered, measure, measure_splits
from trainer.modelling.examples import Examples, featurise, split_at, split_by_time
from trainer.modelling.fit import Matrices, fit, fit_with_early_stopping, read_booster
from trainer.modelling.parameters import Boosting
from trainer.modelling.plots import draw
from trainer.usecases.trips.features import fit_contract
from xgboost.data import SingleBatchInternalIter

PARAMETERS = Boosting(max_depth=4).for_xgboost(seed=1)


def test_the_later_rows_come_after_all_earlier_ones(january: pa.Table) -> None:
    earlier, later = split_by_time(january, 0.15)

    assert earlier.num_rows + later.num_rows == january.num_rows
    assert later.num_rows == round(january.num_rows * 0.15)
    assert max(earlier["pickup_at"].to_pylist()) <= min(later["pickup_at"].to_pylist())


def test_days_that_judge_are_cut_off_by_the_pick_up(january: pa.Table) -> None:
    shuffled = january.take(np.random.default_rng(1).permutation(january.num_rows))
    midnight = datetime(2021, 1, 25)
    earlier, later = split_at(shuffled, "pickup_at", midnight)

    assert earlier.num_rows + later.num_rows == january.num_rows
    assert max(earlier["pickup_at"].to_pylist()) < midnight <= min(later["pickup_at"].to_pylist())
    at_midnight = january.slice(0, 1).set_column(
        january.column_names.index("pickup_at"),
        "pickup_at",
        pa.array([midnight], january.schema.field("pickup_at").type),
    )
    assert split_at(at_midnight, "pickup_at", midnight)[1].num_rows == 1


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_too_few_rows_to_split_are_refused(january: pa.Table, rows: int) -> None:
    with pytest.raises(ValueError, match=f"{rows} rows can't be split"):
        split_by_time(january.slice(0, rows), 0.15)


def test_examples_survive_being_written_and_read(january: pa.Table, tmp_path: Path) -> None:
    examples = featurise(fit_contract(january), january)
    examples.write(tmp_path / "deep" / "examples.parquet")
    again = Examples.read(tmp_path / "deep" / "examples.parquet")

    assert again.features.tobytes() == examples.features.tobytes()
    assert again.outcome.tobytes() == examples.outcome.tobytes()
    assert again.names == examples.names


def test_rows_that_a_request_could_not_have_are_not_learnt_from(january: pa.Table) -> None:
    zones = pa.array([999] * january.num_rows, pa.int32())
    impossible = january.set_column(january.column_names.index("pu_location_id"), "pu_location_id", zones)
    with pytest.raises(InvalidInput, match="pu_location_id is 999"):
        featurise(fit_contract(january), impossible)


def test_early_stopping_keeps_the_best_round_and_no_tree_more(january: pa.Table) -> None:
    earlier, later = split_by_time(january, 0.15)
    contract = fit_contract(earlier)
    fitted, watched = featurise(contract, earlier), featurise(contract, later)
    stopped = fit_with_early_stopping(Matrices.of(fitted, watched), PARAMETERS, max_rounds=400, patience=10)

    def error(rounds: int) -> float:
        return measure(watched.outcome, stopped.booster[:rounds].inplace_predict(watched.features)).rmse

    assert stopped.booster.num_boosted_rounds() == stopped.rounds < 400
    assert error(stopped.rounds) == pytest.approx(stopped.rmse)
    assert error(stopped.rounds) <= min(error(rounds) for rounds in range(1, stopped.rounds + 1)) + 1e-6


def test_the_same_data_parameters_and_seed_give_the_same_booster(january: pa.Table) -> None:
    examples = featurise(fit_contract(january), january)
    first, second = (fit(examples, {**PARAMETERS, "nthread": 2}, 20).save_raw("ubj") for _ in range(2))

    assert first == second


def test_a_run_that_is_cancelled_while_rows_are_handed_over_ends(
    january: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XGBoost asks Python for the rows out of C, where an exception is lost."""

    class Cancelled(BaseException):
        """As Prefect raises where a flow run is told to end."""

    def cancel(_number: int, _frame: FrameType | None) -> None:
        raise Cancelled

    def hand_over(self: SingleBatchInternalIter, input_data: Callable[..., None]) -> bool:
        signal.raise_signal(signal.SIGTERM)
        return bool(handed_over(self, input_data))

    handed_over: Any = SingleBatchInternalIter.next
    monkeypatch.setattr(SingleBatchInternalIter, "next", hand_over)
    before = signal.signal(signal.SIGTERM, cancel)
    try:
        with pytest.raises(Cancelled):
            fit(featurise(fit_contract(january), january), PARAMETERS, 2)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_zone_tables_hold_only_what_their_rows_say(january: pa.Table, february: pa.Table) -> None:
    minutes = january["duration_minutes"]
    doubled = january.set_column(
        january.column_names.index("duration_minutes"), "duration_minutes", pa.array(minutes.to_numpy() * 2)
    )
    alone, other = fit_contract(january.slice(0, 500)), fit_contract(pa.concat_tables([january.slice(0, 500)]))

    assert alone.features == other.features
    assert fit_contract(doubled).features != fit_contract(january).features
    # a zone that no row begins in has the median of all
    lookup = next(feature for feature in alone.features if feature.name == "pickup_zone_minutes")
    seen = set(january.slice(0, 500)["pu_location_id"].to_pylist())
    unseen = next(zone for zone in range(1, 266) if zone not in seen)
    median = float(np.median(minutes.slice(0, 500).to_numpy()))
    assert lookup.model_dump()["table"][unseen - 1] == pytest.approx(median, abs=1e-4)


def test_a_zone_s_mean_is_shrunk_towards_the_median_by_five_trips_weight() -> None:
    # by zone: five trips, one trip, and so many others that the median is theirs
    zones, minutes = [7] * 5 + [8] + [9] * 20, [30.0] * 5 + [70.0] + [10.0] * 20
    trips = pa.table({"pu_location_id": zones, "do_location_id": zones[::-1], "duration_minutes": minutes})
    tables = {
        feature.name: feature.model_dump()["table"]
        for feature in fit_contract(trips).features
        if feature.name.endswith("_zone_minutes")
    }

    assert tables["pickup_zone_minutes"][6:10] == [
        (5 * 30 + 5 * 10) / 10,  # five trips weigh as much as the median
        (70 + 5 * 10) / 6,
        10,
        10,
    ]
    # the first twenty trips go to zone 9
    assert tables["dropoff_zone_minutes"][8] == pytest.approx((5 * 30 + 70 + 14 * 10 + 5 * 10) / 25, abs=1e-4)
    assert len(tables) == 2


def test_metrics_are_those_of_their_definitions() -> None:
    actual = np.array([10, 20, 30, 40], dtype=np.float32)
    predicted = np.array([12, 20, 27, 40], dtype=np.float32)
    found = measure(actual, predicted)

    assert found.rmse == pytest.approx(np.sqrt(13 / 4))
    assert found.mae == pytest.approx(5 / 4)
    assert found.r2 == pytest.approx(1 - 13 / 500)
    assert found.p90_error == pytest.approx(2.7)
    assert set(found.named("holdout")) == {"holdout_rmse", "holdout_mae", "holdout_r2", "holdout_p90_error"}


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_a_calibrated_interval_covers_what_it_promises(coverage: float) -> None:
    rng = np.random.default_rng(7)
    predicted = rng.normal(size=40_000).astype(np.float32)
    actual = predicted + rng.gumbel(size=40_000).astype(np.float32)
    interval = calibrate(actual[:20_000], predicted[:20_000], coverage)

    assert covered(actual[20_000:], predicted[20_000:], interval) == pytest.approx(coverage, abs=0.01)
    assert -interval.lower != pytest.approx(interval.upper)  # lopsided errors have a lopsided interval


def test_a_handful_of_rows_still_gives_an_interval() -> None:
    interval = calibrate(np.array([1, 2], dtype=np.float32), np.array([2, 2], dtype=np.float32), 0.9)

    assert (interval.lower, interval.upper) == (-1, 0)


def test_a_trained_model_beats_saying_the_mean(january: pa.Table, february: pa.Table) -> None:
    contract = fit_contract(january)
    booster = fit(featurise(contract, january), PARAMETERS, 60)
    split = Predicted.by(booster, featurise(contract, february))
    interval = calibrate(split.actual, split.predicted, 0.9)
    metrics = measure_splits({"train": split, "validation": split, "holdout": split}, interval)

    assert metrics["holdout_rmse"] < 0.75 * metrics["holdout_rmse_of_the_mean"]


def test_a_sealed_bundle_predicts_what_the_booster_does(january: pa.Table, tmp_path: Path) -> None:
    contract = fit_contract(january)
    booster = fit(featurise(contract, january), PARAMETERS, 10)
    model = seal(tmp_path, contract, booster, january)

    assert {path.name for path in tmp_path.iterdir()} == {bundle.CONTRACT, bundle.MODEL, bundle.GOLDEN}
    assert model.predict(model.contract.matrix(january)).tolist() == (
        booster.inplace_predict(contract.matrix(january)).tolist()
    )


def test_a_contract_of_other_rows_does_not_pass_for_the_booster_s(january: pa.Table, tmp_path: Path) -> None:
    contract = fit_contract(january)
    booster = fit(featurise(contract, january), PARAMETERS, 10)
    seal(tmp_path, contract, booster, january)
    other = fit_contract(january.slice(0, 300)).sealed(
        {name: bundle.sha256((tmp_path / name).read_bytes()) for name in (bundle.MODEL, bundle.GOLDEN)}
    )
    (tmp_path / bundle.CONTRACT).write_bytes(other.to_json())
    with pytest.raises(GoldenMismatch):
        load(tmp_path)


def test_a_booster_survives_being_written_and_read(january: pa.Table, tmp_path: Path) -> None:
    examples = featurise(fit_contract(january), january)
    booster = fit(examples, PARAMETERS, 3)
    booster.save_model(tmp_path / "model.ubj")

    assert read_booster(tmp_path / "model.ubj").save_raw("ubj") == booster.save_raw("ubj")


def test_every_picture_is_drawn(january: pa.Table, tmp_path: Path) -> None:
    contract = fit_contract(january)
    examples = featurise(contract, january)
    booster = fit(examples, PARAMETERS, 3)
    draw(tmp_path, Predicted.by(booster, examples), examples.features[:, 5].astype(np.int64) // 60, booster, "minutes")

    for name in ("predicted_against_actual", "residuals_by_hour", "feature_importance"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
