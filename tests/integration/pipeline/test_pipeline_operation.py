"""What operators and people who are told of results rely on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from pipelines import MODEL, Pipeline
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending
from trainer.deployment.deployments import WORK_POOL
from trainer.deployment.first_training import start_first_training
from trainer.flows.train import train
from trainer.modelling.parameters import Boosting
from webhooks import Messages


def deployment(pipeline: Pipeline) -> dict[str, Any]:
    api = pipeline.stack.url("prefect-server") + "/api"
    found: dict[str, Any] = requests.get(f"{api}/deployments/name/train/{MODEL}", timeout=60).json()
    return found


def test_deployments_have_a_daily_schedule_and_a_form(pipeline: Pipeline) -> None:
    found = deployment(pipeline)

    assert [(entry["schedule"]["cron"], entry["active"]) for entry in found["schedules"]] == [("0 4 * * *", True)]
    fields = found["parameter_openapi_schema"]["properties"]
    assert {"service", "months", "last_months", "holdout", "boosting", "seed"} <= set(fields)
    assert fields["last_months"]["default"] == 2
    assert all(field["description"] for field in fields.values())


@pytest.mark.thorough
def test_a_run_cannot_choose_its_command_environment_or_folder(pipeline: Pipeline, tmp_path: Path) -> None:
    api = pipeline.stack.url("prefect-server") + "/api"
    found = requests.get(f"{api}/deployments/name/retain/predictions", timeout=60).json()
    chosen = {
        "command": f"touch {tmp_path}/command",
        "env": {"TRAINER_WAREHOUSE_URL": "postgresql://127.0.0.1:9/nowhere"},
        "working_dir": str(tmp_path),
    }
    # other tests of this stack leave days of long ago
    body = {"parameters": {"drop_much": True}, "state": {"type": "SCHEDULED"}, "job_variables": chosen}
    answer = requests.post(f"{api}/deployments/{found['id']}/create_flow_run", json=body, timeout=60)
    if answer.ok:
        run = pipeline.ended(answer.json()["id"])
        assert run["state"]["type"] == "COMPLETED", pipeline.runs.log(run["id"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize(("deployed", "at"), [("train/trip-duration", "T04:00:00"), ("ingest/trips", "T03:00:00")])
def test_a_schedule_makes_runs(pipeline: Pipeline, deployed: str, at: str) -> None:
    # Prefect's scheduler looks once a minute
    planned = pipeline.wait(lambda: pipeline.runs.planned(deployed), 120, f"{deployed} has runs to come")
    assert all(at in run["expected_start_time"] for run in planned)


@pytest.mark.thorough
def test_deploying_again_keeps_what_an_operator_paused_and_changed(pipeline: Pipeline) -> None:
    api = pipeline.stack.url("prefect-server") + "/api"
    before = deployment(pipeline)
    schedule = before["schedules"][0]
    change = {"active": False, "schedule": {**schedule["schedule"], "cron": "30 2 * * 1"}}
    path = f"{api}/deployments/{before['id']}/schedules/{schedule['id']}"
    requests.patch(path, json=change, timeout=60).raise_for_status()
    pipeline.deploy()
    after = deployment(pipeline)
    requests.patch(path, json={"active": True, "schedule": schedule["schedule"]}, timeout=60).raise_for_status()

    assert after["id"] == before["id"]
    assert [(entry["schedule"]["cron"], entry["active"]) for entry in after["schedules"]] == [("30 2 * * 1", False)]


@contextmanager
def paused(prefect: SyncPrefectClient) -> Iterator[None]:
    """The worker takes no run."""
    prefect.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))
    try:
        yield
    finally:
        prefect.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))


@pytest.mark.thorough
def test_a_first_training_that_lost_its_worker_is_ended_and_started_again(pipeline: Pipeline) -> None:
    found = deployment(pipeline)
    api = pipeline.stack.url("prefect-server") + "/api"
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as prefect, paused(prefect):
        # as a worker leaves it that is stopped just when it has taken the run
        orphan = prefect.create_flow_run_from_deployment(found["id"], state=Pending(), tags=["first-training"]).id
        started = start_first_training(f"train/{MODEL}", prefect)
        assert started is not None
        again = start_first_training(f"train/{MODEL}", prefect)
        prefect.delete_flow_run(started)
        ended = prefect.read_flow_run(orphan).state

    assert ended is not None
    assert ended.is_crashed()
    assert again is None


@pytest.mark.thorough
def test_results_and_failures_are_sent_to_the_configured_webhook(
    pipeline: Pipeline, champion: str, webhook: tuple[str, Messages]
) -> None:
    url, received = webhook
    pipeline.deploy(TRAINER_NOTIFY_WEBHOOK_URL=url)
    with pipeline.settings(TRAINER_NOTIFY_WEBHOOK_URL=url):
        train(months="2021-01", boosting=Boosting(max_rounds=2))
        train(months="2021-02", holdout="2021-01", return_state=True)
    finished, failed = received.get(timeout=60), received.get(timeout=10)

    assert finished["title"].startswith(f"{MODEL} version ")
    assert "was not promoted" in finished["title"]
    assert "/#/experiments/" in finished["text"]
    assert failed["title"].startswith("Flow train failed")
    assert "must come after the last training month" in failed["text"]


@pytest.mark.thorough
def test_a_message_that_cannot_be_sent_does_not_fail_the_training(
    pipeline: Pipeline, champion: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pipeline.settings(TRAINER_NOTIFY_BLOCK="custom-webhook/nowhere"):
        state = train(months="2021-01", boosting=Boosting(max_rounds=2), return_state=True)

    assert state.is_completed()
    assert "Unable to find block document named nowhere" in caplog.text
