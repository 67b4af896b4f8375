"""What goes wrong is said, and changes nothing."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests
from console.runs import TRAINING
from pipelines import MODEL, QUICK, Pipeline
from trainer.data.months import Month
from trainer.flows.train import train
from trainer.modelling.parameters import Boosting
from trainer.usecases.trips.synthetic import generate


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder that a mirror of the TLC's files could be."""
    month = generate(5, "green", Month.parse("2020-05"), 2_000)
    pq.write_table(month, tmp_path / "green_tripdata_2020-05.parquet")
    whole = (tmp_path / "green_tripdata_2020-05.parquet").read_bytes()
    (tmp_path / "green_tripdata_2020-06.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(month, tmp_path / "green_tripdata_2020-07.parquet")  # every pick-up is in another month
    return tmp_path


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("month", "said"),
    [("2020-04", "not published"), ("2020-06", "truncated"), ("2020-07", "every row is rejected")],
)
def test_a_bad_month_fails_the_run_with_its_reason_and_leaves_the_warehouse(
    pipeline: Pipeline, published: Path, month: str, said: str
) -> None:
    before = [pipeline.count(table) for table in ("trips", "trips_rejected", "loads")]
    run = pipeline.run("ingest/trips", {"source": "tlc", "tlc_location": str(published), "months": [month]})

    assert run["state"]["type"] == "FAILED"
    assert f"green_tripdata_{month}.parquet" in run["state"]["message"]
    assert said in run["state"]["message"]
    assert [pipeline.count(table) for table in ("trips", "trips_rejected", "loads")] == before


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"months": "2021-13"}, "months"),
        ({"boosting": {"max_depth": 99}}, "max_depth"),
        ({"service": "purple"}, "purple"),
        ({"last_months": 0}, "last_months"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_before_a_run_starts(
    pipeline: Pipeline, parameters: dict[str, object], said: str
) -> None:
    api = pipeline.stack.url("prefect-server") + "/api"
    deployment = requests.get(f"{api}/deployments/name/train/{MODEL}", timeout=60).json()["id"]
    answer = requests.post(
        f"{api}/deployments/{deployment}/create_flow_run", json={"parameters": parameters}, timeout=10
    )

    assert answer.status_code == 409
    assert said in answer.text


@pytest.mark.thorough
def test_a_holdout_before_its_training_months_fails_with_that_reason(pipeline: Pipeline) -> None:
    run = pipeline.run(TRAINING, {"months": "2021-02", "holdout": "2021-01"})

    assert run["state"]["type"] == "FAILED"
    assert "the holdout 2021-01 must come after the last training month 2021-02" in run["state"]["message"]


@pytest.mark.thorough
def test_a_version_that_the_service_refuses_loses_the_alias_again(pipeline: Pipeline, champion: str) -> None:
    before = pipeline.served()
    # the service takes another token than the trainer has
    with pipeline.settings(SERVING_RELOAD_TOKEN="another"):
        state = train(months="2021-01", boosting=Boosting(**QUICK | {"max_rounds": 900}), return_state=True)

    assert state.is_failed()
    assert "token" in str(state.message)
    assert pipeline.alias("champion") == before
    assert pipeline.served() == before
    candidate = max(pipeline.mlflow.search_model_versions(f"name = '{MODEL}'"), key=lambda found: int(found.version))
    assert candidate.tags["decision"] == "taken back"
    newest = pipeline.mlflow.search_runs([pipeline.mlflow.get_experiment_by_name(MODEL).experiment_id], max_results=1)[
        0
    ]
    assert newest.info.status == "FAILED"
