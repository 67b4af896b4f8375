"""The gate on trips: how they are cut, what is to be beaten, and a model with a broken feature."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contract.booster import LoadedModel
from trainer.data.months import Month
from trainer.gate.judge import Contestant, judge
from trainer.gate.rendering import comparison_rows, markdown
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.modelling.bundles import seal
from trainer.modelling.examples import featurise
from trainer.modelling.fit import fit
from trainer.modelling.parameters import Boosting
from trainer.usecases.trips import columns, rejection
from trainer.usecases.trips.baselines import baselines
from trainer.usecases.trips.boroughs import borough_of
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.features import fit_contract
from trainer.usecases.trips.fields import ZONES
from trainer.usecases.trips.judging import holdout_of
from trainer.usecases.trips.slices import slices

PARAMETERS = Boosting(max_depth=4).for_xgboost(seed=1)
TERMS = Terms(resamples=300)


def trips(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    usual = {"pickup_at": np.datetime64("2021-02-03T17:45:00", "us"), "pu_location_id": 74, "do_location_id": 166}
    filled = [{**usual, "trip_distance": 2.3, "passenger_count": None, "duration_minutes": 10.0, **row} for row in rows]
    columns = {name: [row[name] for row in filled] for name in filled[0]}
    return pa.table({**columns, "passenger_count": pa.array(columns["passenger_count"], pa.int32())})


def trained(training: pa.Table, folder: Path, rounds: int, broken: str | None = None) -> LoadedModel:
    """A sealed model; ``broken`` is a column whose values are those of other rows."""
    folder.mkdir()
    learnt = training
    if broken:
        shuffled = training[broken].take(np.random.default_rng(1).permutation(training.num_rows))
        learnt = training.set_column(training.column_names.index(broken), broken, shuffled)
    contract = fit_contract(learnt)
    return seal(folder, contract, fit(featurise(contract, learnt), PARAMETERS, rounds), training)


def verdict_of(training: pa.Table, judged: pa.Table, candidate: LoadedModel, champion: LoadedModel | None) -> Verdict:
    def contestant(version: str, model: LoadedModel) -> Contestant:
        return Contestant(version, model.predict(model.contract.matrix(judged)))

    beside = None if champion is None else contestant("1", champion)
    return judge(holdout_of(training, judged), contestant("2", candidate), beside, TERMS, 1, [])


def test_each_zone_has_a_borough() -> None:
    found = Counter(borough_of(np.array(ZONES)).tolist())
    assert found["Manhattan"] == found["Queens"] == 69
    assert (found["Brooklyn"], found["Bronx"], found["Staten Island"], found["elsewhere"]) == (61, 43, 20, 2)
    asked = {1: "Newark Airport", 4: "Manhattan", 74: "Manhattan", 132: "Queens", 265: "elsewhere"}
    assert dict(zip(asked, borough_of(np.array(list(asked))).tolist(), strict=True)) == asked


def test_trips_are_cut_by_boroughs_hour_miles_and_day() -> None:
    found = slices(
        trips(
            [
                {"pickup_at": np.datetime64("2021-02-05T23:59:59", "us"), "trip_distance": 0.0},  # a Friday
                {"pickup_at": np.datetime64("2021-02-06T00:00:00", "us"), "trip_distance": 1.0},
                {"pickup_at": np.datetime64("2021-02-07T10:00:00", "us"), "trip_distance": 99.0, "do_location_id": 7},
            ]
        )
    )
    assert found == {
        "boroughs": ["Manhattan to Manhattan", "Manhattan to Manhattan", "Manhattan to Queens"],
        "hour": ["20-24", "00-06", "10-16"],
        "miles": ["under 1", "1-2", "10 and more"],
        "day": ["weekday", "weekend", "weekend"],
    }


def test_baselines_learn_from_training_rows_alone() -> None:
    training = trips(
        [{"duration_minutes": minutes} for minutes in (10.0, 20.0, 40.0)]
        + [{"pu_location_id": 7, "duration_minutes": minutes} for minutes in (1.0, 3.0)]
    )
    judged = trips([{}, {"pu_location_id": 7}, {"pu_location_id": 200}])
    found = baselines(training, judged)

    assert found["the mean"].tolist() == pytest.approx([14.8] * 3)
    assert found["the zone pair's median"].tolist() == [20.0, 2.0, 10.0]
    assert found["ridge regression on zones and distance"].shape == (3,)


def test_a_trained_model_passes_and_one_with_a_broken_feature_is_refused_with_its_numbers(
    january: pa.Table, february: pa.Table, tmp_path: Path
) -> None:
    weak = trained(january, tmp_path / "weak", 25)
    strong = trained(january, tmp_path / "strong", 120)
    broken = trained(january, tmp_path / "broken", 120, broken="trip_distance")

    assert verdict_of(january, february, weak, None).promotes
    assert verdict_of(january, february, strong, weak).promotes
    assert not verdict_of(january, february, strong, strong).promotes
    verdict = verdict_of(january, february, broken, weak)
    assert not verdict.promotes
    assert any("not surely below the champion's" in refusal for refusal in verdict.refusals)

    text = markdown(verdict)
    assert text.startswith("# Version 2 is refused")
    assert all(refusal in text for refusal in verdict.refusals)
    assert f"{verdict.rmse:.3f} minutes" in text
    assert [row["against"] for row in comparison_rows(verdict)] == [
        "the mean",
        "the zone pair's median",
        "ridge regression on zones and distance",
        "champion",
    ]
    assert "too much" in text


def test_on_real_months_the_gate_knows_a_good_model_from_a_broken_one(tlc_folder: Path, tmp_path: Path) -> None:
    january, february = (real_month(tlc_folder, month) for month in ("2021-01", "2021-02"))
    champion = trained(january, tmp_path / "champion", 60)
    good = trained(january, tmp_path / "good", 200)
    broken = trained(january, tmp_path / "broken", 200, broken="trip_distance")

    assert verdict_of(january, february, champion, None).promotes
    assert verdict_of(january, february, good, champion).promotes
    refused = verdict_of(january, february, broken, champion)
    (beside,) = [found for found in refused.comparisons if found.against == "champion"]
    assert not refused.promotes
    assert beside.low > 0
    assert f"{refused.rmse:.3f} is not surely below the champion's {beside.rmse:.3f}" in refused.reason
    assert any(refusal.startswith("worse on miles") for refusal in refused.refusals)


def real_month(folder: Path, month: str) -> pa.Table:
    raw = columns.normalise(pq.read_table(folder / f"green_tripdata_{month}.parquet"), month)
    return clean(rejection.sift(raw, Month.parse(month)).accepted)[0]
