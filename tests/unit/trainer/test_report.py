"""What people read of a run."""

from pathlib import Path

import pytest
from contract import Interval
from trainer.data.checkpoints import Checkpoint
from trainer.flows.handover import CleanRows, Decision, Evaluation, FeatureSet, Registered
from trainer.flows.plan import plan_named
from trainer.flows.report import FIGURES, SPLITS, Report


def report(*, promoted: bool) -> Report:
    rows = Checkpoint(path=Path("x.parquet"), digest="0" * 64, rows=12_345)
    trips = CleanRows(training=rows, holdout=rows, left_out={"duration_under_1_minute": 2_577})
    metrics = {f"{split}_{figure}": 5.4321 for split in SPLITS for figure in FIGURES}
    metrics |= {"holdout_rmse_of_the_mean": 12.21, "holdout_interval_coverage": 0.887}
    return Report(
        plan=plan_named("2021-01", None),
        features=FeatureSet(folder=Path("features"), rows=trips),
        evaluation=Evaluation(metrics=metrics, interval=Interval(coverage=0.9, lower=-6.1, upper=9.3)),
        registered=Registered(model="trip-duration", version="7", run_id="abc"),
        decision=Decision(version="7", promoted=promoted, champion_before="6", reason="holdout RMSE 5 beats 6"),
        mlflow_ui="http://mlflow.example",
        experiment_id="3",
        rows="trips",
        periods="Months",
        unit="minutes",
    )


def test_the_report_says_what_happened_and_links_to_mlflow() -> None:
    text = report(promoted=True).markdown

    assert "# trip-duration version 7 is champion and served" in text
    assert "http://mlflow.example/#/experiments/3/runs/abc" in text
    assert "http://mlflow.example/#/models/trip-duration/versions/7" in text
    assert "| holdout | 5.432 | 5.432 | 5.432 | 5.432 |" in text
    assert "88.7% of the holdout lies in the promised 90% interval (-6.1 to +9.3 minutes)" in text
    assert "| duration_under_1_minute | 2,577 |" in text


@pytest.mark.parametrize(("promoted", "words"), [(True, "is champion and served"), (False, "was not promoted")])
def test_subject_and_summary_say_whether_it_is_served_and_why(promoted: bool, words: str) -> None:
    assert report(promoted=promoted).subject == f"trip-duration version 7 {words}"
    assert report(promoted=promoted).summary.startswith("holdout RMSE 5 beats 6. Months 2021-01 → 2021-02")
