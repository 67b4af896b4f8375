"""What happens while nobody looks: an alarm begins a retraining, a worker dies, and people are told."""

import os
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests
from console.runs import TRAINING
from embedded.processes import Process, spawn
from embedded.root import ROOT
from pipelines import MODEL, QUICK, Pipeline, running
from trainer.deployment import automations
from trainer.flows.events import DECAYED, DRIFTED, resource
from trainer.flows.silence import DIED, HEARTBEAT
from trainer.retraining.decision import Retraining
from trainer.retraining.history import PostgresRetrainings
from webhooks import Messages

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

LONG = {**QUICK, "max_rounds": 20_000, "early_stopping_rounds": 20_000, "learning_rate": 0.001}
"""A training that nobody waits for."""

SILENT_SECONDS = 35
"""After which the worker's runs may be dead: as early as heartbeats allow."""

PATIENCE_SECONDS = 100
"""For what several programs have to do in turn."""


class Worker:
    """A worker that can be killed with all that it runs, and that Prefect misses soon."""

    def __init__(self, pipeline: Pipeline, webhook: str, log: Path) -> None:
        self._environment = {
            **pipeline.stack.environment("prefect-worker"),
            "TRAINER_NOTIFY_WEBHOOK_URL": webhook,
            "TRAINER_SILENT_RUN_SECONDS": str(SILENT_SECONDS),
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
            "TRAINER_RETRAININGS_A_DAY": "2",
        }
        self.alarms_before = len(retrainings(pipeline))
        """Of other tests."""
        self._command = pipeline.stack._program("prefect-worker").command
        self._log = log
        self._process: Process | None = None

    def start(self) -> None:
        self._process = spawn(self._command, env=self._environment, log=self._log, cwd=ROOT)

    def kill(self) -> None:
        """As the kernel does when memory runs out, or somebody pulls the plug."""
        if self._process:
            self._process.stop(grace=0, first=signal.SIGKILL)

    def kill_flows(self) -> None:
        """Those of the fork server's children that aren't the first, which is Prefect's worker."""
        assert self._process is not None
        _, *flows = sorted(psutil.Process(self._process.pid).children(), key=lambda child: child.create_time())
        assert flows
        for flow in flows:
            os.kill(flow.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A stack of its own, with a model, whose worker dies."""
    with running(tmp_path_factory.mktemp("unattended")) as pipeline:
        pipeline.train()
        yield pipeline


@pytest.fixture(scope="module")
def worker(
    pipeline: Pipeline, webhook: tuple[str, Messages], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """In place of the stack's own."""
    url, _ = webhook
    pipeline.deploy(TRAINER_NOTIFY_WEBHOOK_URL=url)
    pipeline.stack.state.records["prefect-worker"].process.stop(grace=60)
    worker = Worker(pipeline, url, tmp_path_factory.mktemp("worker") / "worker.log")
    worker.start()
    yield worker
    worker.kill()


def api(pipeline: Pipeline) -> str:
    return pipeline.stack.url("prefect-server") + "/api"


def emit(pipeline: Pipeline, *events: str) -> None:
    """Alarms, as monitoring emits them."""
    payload = {
        "version": "1",
        "fields": {"trip_distance": 0.31},
        "since": "2026-03-01T00:00:00Z",
        "until": "2026-03-08T00:00:00Z",
        "monitoring_id": 12,
    }
    body = [
        {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": event,
            "resource": {"prefect.resource.id": resource(MODEL)},
            "payload": payload,
        }
        for event in events
    ]
    requests.post(f"{api(pipeline)}/events", json=body, timeout=PATIENCE_SECONDS).raise_for_status()


def retrainings(pipeline: Pipeline) -> list[Retraining]:
    """The oldest first."""
    with pipeline.warehouse() as connection:
        return PostgresRetrainings(connection, MODEL).history()[::-1]


def trainings(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Runs of the training that an alarm began."""
    body = {"flows": {"name": {"any_": ["train"]}}, "sort": "EXPECTED_START_TIME_DESC"}
    found = requests.post(f"{api(pipeline)}/flow_runs/filter", json=body, timeout=PATIENCE_SECONDS).json()
    return [run for run in found if run["parameters"].get("retraining")]


def message(messages: Messages, title: str) -> str:
    """The text of the next message whose title has these words; those before it are let go."""
    while True:
        try:
            found = messages.get(timeout=PATIENCE_SECONDS)
        except Empty:
            pytest.fail(f"no message: {title}")
        if title in found["title"]:
            return str(found["text"])


def saved(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    found = requests.post(f"{api(pipeline)}/automations/filter", json={}, timeout=PATIENCE_SECONDS).json()
    return {automation["name"]: automation for automation in found}


def test_what_only_prefect_can_tell_of_is_told_where_messages_are_configured(pipeline: Pipeline) -> None:
    pipeline.deploy(TRAINER_NOTIFY_WEBHOOK_URL="http://127.0.0.1:9/hook")
    configured = saved(pipeline)
    # a person makes the block later, in the UI of the stack that is to start now
    pipeline.deploy(TRAINER_NOTIFY_BLOCK="slack-webhook/later")

    assert configured.keys() - saved(pipeline).keys() == {automations.TELL_OF_SILENT_WORKER}


def test_deploying_again_leaves_automations_as_they_are(pipeline: Pipeline) -> None:
    pipeline.deploy()
    before = saved(pipeline)
    paused = before["Train when a retraining is wanted"]["id"]
    requests.patch(
        f"{api(pipeline)}/automations/{paused}", json={"enabled": False}, timeout=PATIENCE_SECONDS
    ).raise_for_status()
    between = saved(pipeline)
    pipeline.deploy()
    same = saved(pipeline)
    restart = before["Start a crashed training again"]
    patched = {key: restart[key] for key in ("name", "trigger", "actions")} | {"description": "changed"}
    requests.put(
        f"{api(pipeline)}/automations/{restart['id']}", json=patched, timeout=PATIENCE_SECONDS
    ).raise_for_status()
    retired = {**patched, "name": automations.RETIRED[0]}
    requests.post(f"{api(pipeline)}/automations/", json=retired, timeout=PATIENCE_SECONDS).raise_for_status()
    pipeline.deploy()
    changed = saved(pipeline)
    requests.patch(
        f"{api(pipeline)}/automations/{paused}", json={"enabled": True}, timeout=PATIENCE_SECONDS
    ).raise_for_status()

    assert len(before) == 3
    assert same == between
    # one of an earlier release is gone, and the others are the same ones as before
    assert {name: found["id"] for name, found in changed.items()} == {
        name: found["id"] for name, found in before.items()
    }
    assert not changed["Train when a retraining is wanted"]["enabled"]
    assert changed["Start a crashed training again"]["description"] == restart["description"]


def test_of_two_alarms_at_once_one_begins_a_training_and_people_are_told(
    pipeline: Pipeline, worker: Worker, webhook: tuple[str, Messages]
) -> None:
    emit(pipeline, DRIFTED, DECAYED)
    earlier = worker.alarms_before
    pipeline.wait(lambda: len(retrainings(pipeline)) == earlier + 2, PATIENCE_SECONDS, "two decisions")
    begun, held_back = sorted(retrainings(pipeline)[earlier:], key=lambda one: not one.began)
    (run,) = pipeline.wait(lambda: trainings(pipeline), PATIENCE_SECONDS, "a training")

    assert held_back.outcome == "held back"
    assert f"retraining {begun.id} is under way" in held_back.reason
    wanted = run["parameters"]
    assert (wanted["source"], wanted["holdout_days"], wanted["retraining"]) == ("synthetic", 7, begun.id)

    def its_end() -> Retraining | None:
        found = next(one for one in retrainings(pipeline) if one.id == begun.id)
        return None if found.outcome == "under way" else found

    ended = pipeline.wait(its_end, PATIENCE_SECONDS, "the training's end")
    assert ended.outcome in {"promoted", "refused"}
    assert ended.reason.startswith("version ")
    assert len(trainings(pipeline)) == 1
    texts = [message(webhook[1], "retraining"), message(webhook[1], "retraining")]
    assert any("trip_distance (PSI 0.31)" in text and "judged on the last 7 days" in text for text in texts)
    assert any(held_back.reason in text for text in texts)
    message(webhook[1], f"{MODEL} version ")


def test_the_next_alarm_waits_for_the_cool_down(pipeline: Pipeline, worker: Worker) -> None:
    before = len(retrainings(pipeline))
    emit(pipeline, DRIFTED)
    pipeline.wait(lambda: len(retrainings(pipeline)) > before, PATIENCE_SECONDS, "a decision")

    assert "the cool-down is 6 h" in retrainings(pipeline)[-1].reason


def task_runs(pipeline: Pipeline, run: str) -> bool:
    return any(task["name"] == "train" and task["state_type"] == "RUNNING" for task in pipeline.runs.tasks(run))


def state(pipeline: Pipeline, run: str) -> str:
    return str(pipeline.runs.read(run)["state"]["type"])


def statuses(pipeline: Pipeline, run: str) -> list[str]:
    """Of MLflow's runs that belong to a flow run."""
    experiment = pipeline.mlflow.get_experiment_by_name(MODEL).experiment_id
    found = pipeline.mlflow.search_runs([experiment], f"tags.prefect_flow_run = '{run}'")
    return sorted(each.info.status for each in found)


def silent_for(pipeline: Pipeline, run: str) -> float:
    """Seconds since its last heartbeat."""
    wanted = {"event": {"name": [HEARTBEAT]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    found = requests.post(
        f"{api(pipeline)}/events/filter", json={"filter": wanted, "limit": 1}, timeout=PATIENCE_SECONDS
    ).json()["events"]
    return (datetime.now(UTC) - datetime.fromisoformat(found[0]["occurred"])).total_seconds()


def reconciled(pipeline: Pipeline) -> Mapping[str, Any]:
    return pipeline.run(f"reconcile/{MODEL}", {})


def test_a_training_whose_worker_is_killed_is_started_again_once(
    pipeline: Pipeline, worker: Worker, webhook: tuple[str, Messages]
) -> None:
    run = pipeline.runs.start(TRAINING, {"months": "2021-01", "boosting": LONG})
    pipeline.wait(lambda: task_runs(pipeline, run), PATIENCE_SECONDS, "a training in its middle")
    worker.kill()
    assert statuses(pipeline, run) == ["RUNNING"]

    worker.start()
    pipeline.wait(lambda: silent_for(pipeline, run) > SILENT_SECONDS, PATIENCE_SECONDS, "the training is silent")
    # as the schedule has it within five minutes; it may have begun by itself, and then another one is cancelled
    pipeline.runs.start(f"reconcile/{MODEL}", {})
    pipeline.wait(lambda: pipeline.runs.read(run)["run_count"] == 2, 2 * PATIENCE_SECONDS, "a second try")
    assert DIED in message(webhook[1], "Flow train crashed")
    message(webhook[1], "is started again")
    pipeline.wait(lambda: len(statuses(pipeline, run)) == 2, PATIENCE_SECONDS, "the second try in MLflow")
    assert statuses(pipeline, run) == ["KILLED", "RUNNING"]

    worker.kill_flows()
    pipeline.wait(lambda: state(pipeline, run) == "CRASHED", PATIENCE_SECONDS, "the second crash")
    pipeline.wait(
        lambda: statuses(pipeline, run) == ["KILLED", "KILLED"],
        PATIENCE_SECONDS,
        "reconciliation after the second crash",
    )
    reconciled(pipeline)
    assert pipeline.runs.read(run)["run_count"] == 2
    assert state(pipeline, run) == "CRASHED"


def test_a_silent_worker_is_told_of(pipeline: Pipeline, worker: Worker, webhook: tuple[str, Messages]) -> None:
    worker.kill()

    assert "has no worker" in message(webhook[1], "No worker answers")
