"""Kill -9 of whoever takes part in a rollout, between its steps: afterwards all agree, with nobody's help."""

import os
import signal

import pytest
from losing_relay import relay
from rollout_stack import RolloutStack
from trainer.registry.champion import PROMPT
from trainer.rollout.reconciliation import DIED, DIED_AFTER

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

LEASE_SECONDS = 5.0
"""Of drivers that are killed: so long do their replicas wait for them."""

GIVEN_UP_SECONDS = 30.0
"""Within which a driver without MLflow has undone everything: half of what leases last."""


@pytest.mark.parametrize("step", ["stage", "swap", "verify", "alias", "fulfil", "finish"])
def test_the_driver_is_killed_before_a_step(running: RolloutStack, step: str) -> None:
    with running.stopped(step, lease_seconds=LEASE_SECONDS) as (driver, order):
        driver.kill()
        moved = step in {"fulfil", "finish"}
        running.await_agreement(order.version if moved else order.champion)
    newest = running.newest()
    assert newest.change.to_version == order.version
    assert (newest.outcome, newest.failure) == (("done", DIED_AFTER) if moved else ("failed", DIED))


@pytest.mark.parametrize("step", ["stage", "verify", "alias"])
def test_mlflow_is_killed_before_the_alias_moves(running: RolloutStack, step: str) -> None:
    with running.stopped(step) as (driver, order):
        running.kill("mlflow")
        ended = driver.go_on()
        assert ended.failure is not None
        assert ended.seconds < GIVEN_UP_SECONDS
        newest = running.newest()
        assert newest.outcome == "failed"
        assert str(newest.failure).startswith(f"{'stage' if step == 'stage' else 'alias'}: ")
        running.start("mlflow")
        running.await_agreement(order.champion)


def test_mlflow_is_killed_after_the_alias_moved(running: RolloutStack) -> None:
    with running.stopped("fulfil") as (driver, order):
        running.kill("mlflow")
        ended = driver.go_on()
        assert ended.failure is not None
        assert ended.seconds < GIVEN_UP_SECONDS
        assert running.newest().outcome == "under way"
        running.start("mlflow")
        running.await_agreement(order.version)
    assert (running.newest().outcome, running.newest().failure) == ("done", DIED_AFTER)


def test_mlflow_moves_the_alias_and_is_killed_before_it_says_so(running: RolloutStack) -> None:
    def dies() -> bool:
        running.kill("mlflow")
        return True

    with relay(running.stack.url("mlflow"), dies) as uri, running.stopped("alias", tracking_uri=uri) as (driver, order):
        ended = driver.go_on()
        assert ended.failure is not None
        assert ended.seconds < GIVEN_UP_SECONDS
        assert running.newest().outcome == "under way"
        running.start("mlflow")
        running.await_agreement(order.version)
    assert (running.newest().outcome, running.newest().failure) == ("done", DIED_AFTER)


@pytest.mark.parametrize(("answers_lost", "moves"), [(PROMPT["max_retries"], True), (PROMPT["max_retries"] + 1, False)])
def test_mlflow_moves_the_alias_and_its_answers_are_lost(running: RolloutStack, answers_lost: int, moves: bool) -> None:
    lost = iter([True] * answers_lost)
    with (
        relay(running.stack.url("mlflow"), lambda: next(lost, False)) as uri,
        running.stopped("alias", tracking_uri=uri) as (driver, order),
    ):
        assert (driver.go_on().failure is None) == moves
        running.await_agreement(order.version if moves else order.champion)
    assert running.newest().outcome == ("done" if moves else "failed")


@pytest.mark.parametrize("step", ["verify", "alias"])
def test_postgres_is_killed_before_the_alias_moves(running: RolloutStack, step: str) -> None:
    with running.stopped(step) as (driver, order):
        running.kill("postgres")
        running.start("postgres")
        assert "OperationalError" in str(driver.go_on().failure)
        running.await_agreement(order.champion)
    assert (running.newest().outcome, running.newest().failure) == ("failed", DIED)


def test_postgres_is_killed_after_the_alias_moved(running: RolloutStack) -> None:
    with running.stopped("fulfil") as (driver, order):
        running.kill("postgres")
        running.start("postgres")
        assert driver.go_on().failure is None
        running.await_agreement(order.version)
    assert (running.newest().outcome, running.newest().failure) == ("done", DIED_AFTER)


@pytest.mark.parametrize("step", ["swap", "verify", "alias"])
def test_a_worker_is_killed_before_a_step(running: RolloutStack, step: str) -> None:
    healthy, hit = running.replicas
    with running.stopped(step, staying=[healthy]) as (driver, order):
        os.kill(hit.get("/model").json()["workers"][0]["pid"], signal.SIGKILL)
        ended = driver.go_on()
        running.await_agreement(order.champion if ended.failure else order.version)


@pytest.mark.parametrize("step", ["swap", "verify", "alias"])
def test_a_replica_is_killed_before_a_step(running: RolloutStack, step: str) -> None:
    healthy, hit = running.replicas
    with running.stopped(step, staying=[healthy]) as (driver, order):
        hit.kill()
        ended = driver.go_on()
        assert ended.failure is not None
        hit.start()
        running.await_agreement(order.champion)
