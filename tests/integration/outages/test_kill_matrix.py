"""Services that die, freeze or have no room while the whole stack works: what was answered, what is left."""

from collections.abc import Iterator
from uuid import UUID

import pytest
import requests
from console.prediction import ask
from outages import frozen, kill
from pipelines import MODEL, QUICK, Pipeline, running
from small_disks import small_disk

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]

TRAINING = f"train/{MODEL}"
PATIENCE = 180.0
CHAMPIONS = "SELECT count(*) FROM predictions WHERE role = 'champion'"
SMALL, SMALLER = {**QUICK, "max_rounds": 50}, {**QUICK, "max_rounds": 40}
"""What isn't in the cache of trainings."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("outages")
    with running(folder, TRAINER_RETRAININGS_A_DAY="0", SERVING_REGISTRY_READ_SECONDS="2") as pipeline:
        pipeline.train()
        pipeline.wait(lambda: ask(pipeline.stack.url("serving")), PATIENCE, "the first model answers")
        yield pipeline


def metric(pipeline: Pipeline, name: str) -> float:
    text = requests.get(f"{pipeline.stack.url('serving')}/metrics", timeout=30).text
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def versions(pipeline: Pipeline) -> int:
    return len(pipeline.mlflow.search_model_versions(f"name = '{MODEL}'"))


def reached(pipeline: Pipeline, run: str, task: str) -> bool:
    """Whether a run has begun a task."""
    return any(found["name"] == task for found in pipeline.runs.tasks(run))


def test_mlflow_dies_between_upload_and_registration(pipeline: Pipeline) -> None:
    before = versions(pipeline)
    run = pipeline.runs.start(TRAINING, {"months": "2021-01", "holdout": "2021-02", "boosting": SMALL})
    pipeline.wait(lambda: reached(pipeline, run, "register"), PATIENCE, "the model is about to be registered")
    kill(pipeline.stack, "mlflow")
    # the champion is asked for elsewhere: nobody notices
    assert ask(pipeline.stack.url("serving")).response["model"]["name"] == MODEL
    pipeline.stack.start()
    found = pipeline.ended(run)
    # it goes on by itself; a candidate that is no better is refused, and is there all the same
    assert found["state"]["type"] == "COMPLETED", pipeline.runs.log(run)
    assert versions(pipeline) == before + 1


def test_prefects_server_dies_in_the_middle_of_a_run(pipeline: Pipeline) -> None:
    run = pipeline.runs.start(TRAINING, {"months": "2021-01", "holdout": "2021-02", "boosting": QUICK})
    pipeline.wait(lambda: pipeline.runs.tasks(run), PATIENCE, "a training in its middle")
    kill(pipeline.stack, "prefect-server")
    assert ask(pipeline.stack.url("serving")).response["model"]["name"] == MODEL
    pipeline.stack.start()
    found = pipeline.ended(run)
    if found["state"]["type"] == "CRASHED":
        # the run's process gave the server up: it is started again, once, by what runs each five minutes
        pipeline.run(f"reconcile/{MODEL}", {})
        found = pipeline.ended(run)
    assert found["state"]["type"] == "COMPLETED", pipeline.runs.log(run)


def test_a_frozen_mlflow_keeps_nobody_from_an_answer(pipeline: Pipeline) -> None:
    serving = pipeline.stack.url("serving")
    before = pipeline.served()
    with frozen(pipeline.stack, "mlflow"):
        token = {"Authorization": f"Bearer {pipeline.secret('SERVING_RELOAD_TOKEN')}"}
        refused = requests.post(f"{serving}/reload", json={}, headers=token, timeout=30)
        assert (refused.status_code, refused.json()["type"]) == (502, "urn:roundhouse:problem:registry-unreachable")
        failures = "serving_registry_poll_failures_total"
        before_polls = metric(pipeline, failures)
        pipeline.wait(lambda: metric(pipeline, failures) > before_polls, 30, "a poll that fails is counted")
        assert [ask(serving).response["model"]["version"] for _ in range(20)] == [before] * 20
    again = requests.post(f"{serving}/reload", json={}, headers=token, timeout=60)
    assert again.status_code == 200, again.text


def test_a_frozen_postgres_loses_no_prediction(pipeline: Pipeline) -> None:
    serving = pipeline.stack.url("serving")
    with frozen(pipeline.stack, "postgres"):
        said = {ask(serving).response["prediction_id"] for _ in range(50)}
    assert len(said) == 50

    def recorded() -> int:
        with pipeline.warehouse() as connection, connection, connection.cursor() as cursor:
            known = [str(UUID(one)) for one in said]
            cursor.execute(f"{CHAMPIONS} AND id::text = ANY(%s)", (known,))
            (rows,) = cursor.fetchone() or (0,)
            return int(rows)

    pipeline.wait(lambda: recorded() == 50, 60, "all are recorded, each once")


def test_a_training_waits_for_room_for_its_artifacts_and_goes_on_by_itself(pipeline: Pipeline) -> None:
    before, champion = versions(pipeline), pipeline.served()
    log = pipeline.stack.log("mlflow")
    with small_disk(pipeline.stack.folder / "mlflow", 65_536):
        run = pipeline.runs.start(TRAINING, {"months": "2021-01", "holdout": "2021-02", "boosting": SMALLER})
        pipeline.wait(lambda: "No space left" in log.read_text(errors="replace"), PATIENCE, "there is no room")
        assert versions(pipeline) == before
        assert pipeline.served() == champion
    found = pipeline.ended(run)
    assert found["state"]["type"] == "COMPLETED", pipeline.runs.log(run)
    assert versions(pipeline) == before + 1


def test_storage_without_room_fails_the_ingestion_with_the_reason_and_the_next_one_is_whole(pipeline: Pipeline) -> None:
    downloads = pipeline.stack.folder / "trainer" / "downloads"
    with small_disk(downloads, 65_536):
        failed = pipeline.ended(pipeline.runs.start("ingest/trips", {"months": ["2020-11"]}))
        assert failed["state"]["type"] == "FAILED"
        assert "No space left" in failed["state"]["message"], failed["state"]["message"]
    again = pipeline.ended(pipeline.runs.start("ingest/trips", {"months": ["2020-11"]}))
    assert again["state"]["type"] == "COMPLETED", pipeline.runs.log(again["id"])
