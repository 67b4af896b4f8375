"""From months of trips to a served model, as a person starts it in the Prefect UI."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests
from contract import Contract
from contract.golden import requests_of
from pipelines import MODEL, Pipeline, held_out
from trainer.gate.verdict import Verdict

STEPS = [
    "checkpoint training",
    "checkpoint holdout",
    "clean",
    "features",
    "train",
    "evaluate",
    "keep reference",
    "register",
    "gate",
]


def test_a_first_training_is_ingested_registered_promoted_and_served(pipeline: Pipeline, first_training: Any) -> None:
    assert first_training.ready_before == 503
    assert "is champion and served: first model" in first_training.run["state"]["message"]
    states = pipeline.states(first_training.run)
    assert set(states.values()) == {"Completed"}
    assert {*STEPS, "extract 2021-01", "extract 2021-02", "roll out", "notify"} <= set(states)
    assert pipeline.mlflow.get_model_version(MODEL, "1").tags["decision"] == "promoted"


def test_mlflow_has_parameters_metrics_tags_data_sets_plots_and_the_bundle(
    pipeline: Pipeline, champion: str, registry: None
) -> None:
    version = pipeline.mlflow.get_model_version(MODEL, champion)
    run = pipeline.mlflow.get_run(version.run_id)

    assert run.info.status == "FINISHED"
    assert {"max_depth", "learning_rate", "seed", "rounds"} <= set(run.data.params)
    expected = {f"{split}_{name}" for split in ("train", "validation", "holdout") for name in ("rmse", "mae", "r2")}
    assert expected <= set(run.data.metrics)
    assert run.data.metrics["holdout_rmse"] < run.data.metrics["holdout_rmse_of_the_mean"]
    assert {"git_commit", "months", "holdout", "rows", "prefect_flow_run"} <= set(run.data.tags)
    assert {entry.tags[0].value for entry in run.inputs.dataset_inputs} == {"training", "holdout"}
    plots = {Path(file.path).name for file in pipeline.mlflow.list_artifacts(version.run_id, "plots")}
    assert plots == {"predicted_against_actual.png", "residuals_by_hour.png", "feature_importance.png"}
    bundle = {
        file.path
        for file in mlflow.artifacts.list_artifacts(
            f"models:/{MODEL}/{champion}", tracking_uri=pipeline.stack.url("mlflow")
        )
    }
    assert {"MLmodel", "contract.json", "model.ubj", "golden.json"} <= bundle
    assert not [name for name in bundle if name.endswith((".pkl", ".py"))]


def test_prefect_has_the_report_and_the_rejected_rows(pipeline: Pipeline, champion: str) -> None:
    api = pipeline.stack.url("prefect-server") + "/api"
    reports = {
        key: requests.get(f"{api}/artifacts/{key}/latest", timeout=60).json()
        for key in ("training-report", "ingest-rejections")
    }

    assert f"{MODEL} version" in reports["training-report"]["data"]
    assert f"/#/models/{MODEL}/versions/" in reports["training-report"]["data"]
    assert "pickup_outside_month" in reports["ingest-rejections"]["data"]
    assert pipeline.count("trips_rejected") > 0


@pytest.mark.thorough
def test_offline_equals_online_for_a_thousand_held_out_rows(pipeline: Pipeline, champion: str, registry: None) -> None:
    trips = held_out(pipeline, "2021-02", "synthetic").slice(0, 1_000)
    pyfunc = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    frame = trips.drop_columns(["duration_minutes"]).to_pandas()
    rows = requests_of(Contract.from_json(json.dumps(pipeline.get("/model")["contract"]).encode()), trips)

    offline = np.asarray(pyfunc.predict(frame), dtype=np.float64)
    batch = pipeline.post("/predict/batch", {"rows": rows})
    with requests.Session() as session:
        url = pipeline.stack.url("serving") + "/predict"
        single = [session.post(url, json=row, timeout=60).json()["prediction"] for row in rows]

    assert trips.num_rows == 1_000
    assert batch["model"]["version"] == pipeline.alias("champion")
    np.testing.assert_allclose(batch["predictions"], offline, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(single, offline, rtol=1e-6, atol=1e-6)


@pytest.mark.thorough
def test_the_same_training_again_is_refused_and_takes_extraction_and_features_from_the_cache(
    pipeline: Pipeline, champion: str
) -> None:
    before = pipeline.served()
    run = pipeline.train()

    assert "is not surely below the champion's" in run["state"]["message"]
    states = pipeline.states(run)
    assert [states[name] for name in ("extract 2021-01", "extract 2021-02", "features")] == ["Cached"] * 3
    assert "refuse" in states
    assert "roll out" not in states
    assert pipeline.served() == pipeline.alias("champion") == before
    challenger = pipeline.alias("challenger")
    assert challenger is not None
    tags = pipeline.mlflow.get_model_version(MODEL, challenger).tags
    assert tags["decision"] == "refused"
    assert "holdout RMSE" in tags["reason"]
    judged = Verdict.model_validate_json(_text(pipeline, challenger, "gate/verdict.json"))
    assert (judged.candidate, judged.champion, judged.reason) == (challenger, before, tags["reason"])
    assert [found.against for found in judged.comparisons if not found.beaten] == ["champion"]
    assert judged.slices
    assert "is refused" in _text(pipeline, challenger, "gate/verdict.md")


def _text(pipeline: Pipeline, version: str, file: str) -> str:
    """An artifact of the run that made a version."""
    run = pipeline.mlflow.get_model_version(MODEL, version).run_id
    return Path(pipeline.mlflow.download_artifacts(str(run), file)).read_text()


@pytest.mark.thorough
def test_a_better_model_takes_over_on_every_worker(pipeline: Pipeline, first_training: Any) -> None:
    _, _, before, *_ = first_training.run["state"]["message"].split()
    if pipeline.served() != before:
        # other tests may have promoted one that is hard to beat
        pipeline.run("promote/trip-duration", {"version": before, "force": True, "reason": "a better one comes"})
    assert pipeline.served() == before
    # somebody tidied up: what the cache points to has gone
    shutil.rmtree(pipeline.stack.folder / "trainer" / "features")
    generation = pipeline.get("/model")["generation"]
    run = pipeline.train(boosting={"max_rounds": 400, "max_depth": 6, "learning_rate": 0.15})

    assert "beats the champion's" in run["state"]["message"]
    found = pipeline.get("/model")
    assert found["version"] == pipeline.alias("champion") != before
    assert found["generation"] > generation
    assert len({worker["pid"] for worker in found["workers"]}) == 2
    assert {worker["version"] for worker in found["workers"]} == {found["version"]}


@pytest.fixture(scope="module")
def real_months(pipeline: Pipeline, tlc_folder: Path) -> dict[str, Any]:
    """Parameters of a training on the TLC's own files."""
    return {"source": "tlc", "tlc_location": str(tlc_folder), "boosting": {}}


@pytest.fixture(scope="module")
def real_training(pipeline: Pipeline, real_months: dict[str, Any]) -> dict[str, Any]:
    return pipeline.train(**real_months, months="2021-01", holdout="2021-02")


@pytest.mark.thorough
def test_real_months_train_a_model_that_is_better_than_the_course_s(
    pipeline: Pipeline, real_training: dict[str, Any]
) -> None:
    run = real_training
    found = pipeline.mlflow.search_runs(
        [pipeline.mlflow.get_experiment_by_name(MODEL).experiment_id],
        f"tags.prefect_flow_run = '{run['id']}'",
    )

    assert found[0].data.metrics["holdout_rmse"] < 5.60
    assert int(found[0].data.tags["holdout_rows"]) == pytest.approx(61_921, rel=0.002)


@pytest.mark.thorough
def test_a_model_of_real_months_gives_way_to_one_retrained_on_the_newest_days(
    pipeline: Pipeline, real_months: dict[str, Any], real_training: dict[str, Any]
) -> None:
    champion = pipeline.served()
    run = pipeline.train(**real_months, months="2023-01", holdout_days=7)
    verdict = Verdict.model_validate_json(_text(pipeline, pipeline.served(), "gate/verdict.json"))

    assert "is champion and served" in run["state"]["message"]
    assert verdict.champion == champion
    beside = next(found for found in verdict.comparisons if found.against == "champion")
    assert verdict.rmse < 4.6
    assert beside.rmse > 5.0
    assert verdict.rows == pytest.approx(15_461, rel=0.002)
    tags = pipeline.mlflow.get_run(str(pipeline.mlflow.get_model_version(MODEL, pipeline.served()).run_id)).data.tags
    assert (tags["months"], tags["holdout"]) == ("2023-01", "2023-01-25..2023-01-31")
    assert tags["holdout_days"] == "7"


@pytest.mark.thorough
def test_a_version_that_held_days_back_is_judged_on_them_once_more(pipeline: Pipeline, champion: str) -> None:
    pipeline.train(months="2021-03", holdout_days=10, boosting={"max_rounds": 3})
    challenger = pipeline.alias("challenger")
    judged = json.loads(_text(pipeline, str(challenger), "gate/verdict.json"))
    message = pipeline.run("promote/trip-duration", {"dry_run": True, "holdout": "2021-03"})["state"]["message"]
    again = pipeline.artifact("gate")

    assert f"version {challenger} would be refused" in message
    assert "the candidate has learnt from" not in again
    assert f"{judged['rows']:,}" in again
    assert f"{judged['rmse']:.3f}" in again
