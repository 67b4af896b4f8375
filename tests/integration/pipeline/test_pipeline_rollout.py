"""Promote, dry run, refusal, rollback and an alias moved by hand, as a person does them in the two UIs."""

import re
import time
from typing import Any

import pytest
import requests
from mlflow.entities.webhook import Webhook
from pipelines import MODEL, Pipeline
from trainer.flows.reconcile import reconcile
from trainer.registry.champion import CHALLENGER, CHAMPION
from trainer.rollout.change import Rollout
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.lock import exclusive
from trainer.rollout.reconciliation import BY_HAND

PROMOTE, ROLLBACK, RECONCILE = (f"{flow}/{MODEL}" for flow in ("promote", "rollback", "reconcile"))


def history(pipeline: Pipeline) -> list[Rollout]:
    with pipeline.warehouse() as connection:
        return PostgresLedger(connection, MODEL).history()


def completed(pipeline: Pipeline, deployment: str, **parameters: object) -> str:
    """What a run that must complete says."""
    # Prefect cancels it at once while the schedule's own run is under way
    while (run := pipeline.run(deployment, parameters))["state"]["type"] == "CANCELLED":
        pass
    assert run["state"]["type"] == "COMPLETED", pipeline.runs.log(run["id"])
    return str(run["state"]["message"])


def failed(pipeline: Pipeline, deployment: str, **parameters: object) -> str:
    """What a run that must fail says."""
    run = pipeline.run(deployment, parameters)
    assert run["state"]["type"] == "FAILED", pipeline.runs.log(run["id"])
    return str(run["state"]["message"])


def assert_served(pipeline: Pipeline, version: str) -> None:
    """Alias, every worker and the ledger say the same, and nothing is left of a rollout."""
    found = pipeline.get("/model")
    assert found["version"] == pipeline.alias(CHAMPION) == version
    assert {str(worker["version"]) for worker in found["workers"]} == {version}
    assert found["lease"] is None
    assert next(row.change.to_version for row in history(pipeline) if row.outcome == "done") == version
    assert not [row for row in history(pipeline) if row.outcome == "under way"]


@pytest.fixture(scope="module")
def weaker(pipeline: Pipeline, first_training: object) -> str:
    """A version that the gate has refused."""
    pipeline.train(boosting={"max_rounds": 3})
    found = pipeline.alias(CHALLENGER)
    assert found is not None
    return found


def test_a_training_leaves_its_row_with_numbers_and_times(pipeline: Pipeline, champion: str) -> None:
    first = history(pipeline)[-1]

    assert (first.change.kind, first.change.from_version, first.outcome) == ("train", None, "done")
    assert first.change.actor.startswith("flow run train/")
    assert first.change.gate is not None
    assert first.change.gate["rmse"] > 0
    assert {"stage", "swap", "verify", "alias", "fulfil"} == set(first.steps)
    assert_served(pipeline, champion)


@pytest.mark.thorough
def test_a_dry_run_shows_the_verdict_and_changes_nothing(pipeline: Pipeline, champion: str, weaker: str) -> None:
    before = history(pipeline)
    said = completed(pipeline, PROMOTE, version=weaker, dry_run=True)

    assert f"version {weaker} would be refused" in said
    assert "champion" in said
    assert history(pipeline) == before
    assert_served(pipeline, champion)
    shown = pipeline.artifact("gate")
    assert f"# Version {weaker} is refused" in shown


@pytest.mark.thorough
def test_a_refused_challenger_fails_the_run_with_the_reason(pipeline: Pipeline, champion: str, weaker: str) -> None:
    before = history(pipeline)
    said = failed(pipeline, PROMOTE)

    assert f"version {weaker} is refused" in said
    assert "is not surely below the champion's" in said
    assert history(pipeline) == before
    assert_served(pipeline, champion)
    assert pipeline.mlflow.get_model_version(MODEL, weaker).tags["decision"] == "refused"


@pytest.mark.thorough
def test_forced_then_rolled_back_then_promoted_by_the_gate(pipeline: Pipeline, champion: str, weaker: str) -> None:
    completed(pipeline, PROMOTE, version=weaker, force=True, reason="a drill")
    assert_served(pipeline, weaker)
    newest = history(pipeline)[0]
    assert (newest.change.kind, newest.change.from_version) == ("promote", champion)
    assert newest.change.reason.startswith("a drill (forced although the gate refuses it: ")

    said = completed(pipeline, ROLLBACK, reason="the drill is over")
    assert said == f"{MODEL} version {champion} is champion and served: the drill is over"
    assert_served(pipeline, champion)
    newest = history(pipeline)[0]
    assert (newest.change.kind, newest.change.from_version, newest.change.to_version) == ("rollback", weaker, champion)
    assert pipeline.mlflow.get_model_version(MODEL, weaker).tags["decision"] == "rolled back"

    completed(pipeline, ROLLBACK, version=weaker)
    said = completed(pipeline, PROMOTE, version=champion)
    assert "beats the champion's" in said
    assert_served(pipeline, champion)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("deployment", "parameters", "said"),
    [
        (PROMOTE, {"version": "999"}, "has no version 999"),
        (PROMOTE, {"alias": "nobody"}, "with the alias nobody"),
        (PROMOTE, {"alias": "champion"}, "is champion already"),
        (PROMOTE, {"holdout": "1999-01"}, "doesn't have the holdout 1999-01"),
        (ROLLBACK, {"version": "999"}, "has no version 999"),
    ],
)
def test_what_can_t_be_done_is_said(
    pipeline: Pipeline, weaker: str, champion: str, deployment: str, parameters: dict[str, Any], said: str
) -> None:
    before = history(pipeline)

    assert said in failed(pipeline, deployment, **parameters)
    assert history(pipeline) == before
    assert_served(pipeline, champion)


@pytest.mark.thorough
def test_a_rollout_that_may_not_wait_is_refused_while_another_is_under_way(
    pipeline: Pipeline, champion: str, weaker: str
) -> None:
    with pipeline.warehouse() as connection, exclusive(connection, MODEL, 0):
        said = failed(pipeline, ROLLBACK, version=weaker, wait_seconds=0)

    assert f"another rollout of {MODEL} is under way" in said
    assert_served(pipeline, champion)


@pytest.mark.thorough
def test_an_alias_moved_by_hand_is_followed_and_told_of(pipeline: Pipeline, champion: str, weaker: str) -> None:
    for version in (weaker, champion):
        pipeline.mlflow.set_registered_model_alias(MODEL, CHAMPION, version)
        until_served(pipeline, version)
        completed(pipeline, RECONCILE)
        assert_served(pipeline, version)

    newest, before = history(pipeline)[:2]
    assert (before.change.from_version, before.change.to_version) == (champion, weaker)
    assert (newest.change.kind, newest.change.actor, newest.change.to_version) == ("by hand", BY_HAND, champion)


@pytest.mark.thorough
def test_reconciliation_has_mlflow_tell_the_service_of_aliases(pipeline: Pipeline, champion: str) -> None:
    completed(pipeline, RECONCILE)
    webhook = webhook_of(pipeline)
    assert webhook is not None
    assert webhook.url == f"{pipeline.stack.url('serving')}/registry/events"
    assert pipeline.mlflow.test_webhook(webhook.webhook_id).response_status == 202

    before = told(pipeline)
    pipeline.mlflow.set_registered_model_alias(MODEL, CHAMPION, champion)
    pipeline.wait(lambda: told(pipeline) > before, 10, "the service is told of the alias")
    assert_served(pipeline, champion)


@pytest.mark.thorough
def test_a_webhook_that_mlflow_refuses_is_told_of_and_stops_nothing(pipeline: Pipeline, champion: str) -> None:
    said = reconciled_with(pipeline, TRAINER_SERVING_URL="ftp://nowhere")
    assert said.startswith("the ledger agrees with the registry; MLflow's webhook: ")
    assert "webhooks don't go to nowhere: MLFLOW_WEBHOOK_HOSTS names where they may go" in said


@pytest.mark.thorough
def test_without_a_secret_there_is_no_webhook(pipeline: Pipeline, champion: str) -> None:
    completed(pipeline, RECONCILE)
    before = webhook_of(pipeline)
    assert before is not None
    assert reconciled_with(pipeline, SERVING_WEBHOOK_SECRET="") == "the ledger agrees with the registry"
    # not none at all: the schedule may have brought back one
    after = webhook_of(pipeline)
    assert after is None or after.webhook_id != before.webhook_id
    completed(pipeline, RECONCILE)
    assert webhook_of(pipeline) is not None


def webhook_of(pipeline: Pipeline) -> Webhook | None:
    """The only one that MLflow has."""
    found = pipeline.mlflow.list_webhooks()
    assert len(found) <= 1
    return found[0] if found else None


def told(pipeline: Pipeline) -> float:
    """How often MLflow told the service of its alias."""
    metrics = requests.get(pipeline.stack.url("serving") + "/metrics", timeout=60).text
    found = re.search(r'^serving_registry_events_total{outcome="followed"} (\S+)$', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def reconciled_with(pipeline: Pipeline, **changes: str) -> str:
    """What a run with other settings says, which must complete."""
    with pipeline.settings(**changes):
        state = reconcile(return_state=True)
    assert state.is_completed(), state
    return str(state.message)


def test_people_start_promotions_and_the_clock_starts_reconciliation(pipeline: Pipeline) -> None:
    crons = {}
    for name in (PROMOTE, ROLLBACK, RECONCILE):
        found = requests.get(f"{pipeline.stack.url('prefect-server')}/api/deployments/name/{name}", timeout=60).json()
        crons[name] = [entry["schedule"]["cron"] for entry in found["schedules"]]

    assert crons == {PROMOTE: [], ROLLBACK: [], RECONCILE: ["*/5 * * * *"]}


@pytest.mark.thorough
def test_a_deployment_without_a_schedule_stays_as_an_operator_left_it(pipeline: Pipeline) -> None:
    api = f"{pipeline.stack.url('prefect-server')}/api/deployments"
    before = requests.get(f"{api}/name/{PROMOTE}", timeout=60).json()
    requests.patch(f"{api}/{before['id']}", json={"paused": True}, timeout=60).raise_for_status()
    pipeline.deploy()
    after = requests.get(f"{api}/name/{PROMOTE}", timeout=60).json()
    requests.patch(f"{api}/{before['id']}", json={"paused": False}, timeout=60).raise_for_status()

    assert (after["id"], after["paused"], after["schedules"]) == (before["id"], True, [])


def until_served(pipeline: Pipeline, version: str, within: float = 10) -> None:
    deadline = time.monotonic() + within
    while pipeline.served() != version:
        assert time.monotonic() < deadline, f"version {version} isn't served after {within} s"
        time.sleep(0.1)
