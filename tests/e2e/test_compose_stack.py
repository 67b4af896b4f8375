"""The stack as an outsider sees it, over HTTP and through Docker. The tests build on each other, from top to bottom."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from console import history
from console.__main__ import GIVEN
from console.following import RunFailed, follow
from console.prediction import ask
from console.runs import REPLAY, TRAINING
from console.terminal import Terminal
from console.web import Refused, WebError, call

pytestmark = pytest.mark.timeout(1800)

WaitUntil = Callable[..., Any]
LASTING = ("postgres", "prefect-server", "mlflow", "prefect-worker", "serving")


def served_version(stack: Any) -> str:
    return str(call(f"{stack.url('serving')}/model")["version"])


def move_champion(stack: Any, version: str) -> None:
    """As the MLflow UI does it."""
    body = {"name": "trip-duration", "alias": "champion", "version": version}
    call(f"{stack.url('mlflow')}/api/2.0/mlflow/registered-models/alias", body)


@contextmanager
def steady_requests(stack: Any) -> Iterator[tuple[list[str], list[WebError]]]:
    """Fifty predictions a second while the block runs: versions in the order of the answers, and failures."""
    versions: list[str] = []
    failures: list[WebError] = []
    stop = threading.Event()
    row = ask(stack.url("serving")).request

    def request() -> None:
        while not stop.wait(0.02):
            try:
                versions.append(call(f"{stack.url('serving')}/predict", row)["model"]["version"])
            except WebError as error:
                failures.append(error)

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield versions, failures
    finally:
        stop.set()
        thread.join()


def test_on_an_empty_registry_the_stack_trains_by_itself_and_then_predicts(trained: Any, wait_until: WaitUntil) -> None:
    answer = wait_until(lambda: ask(trained.url("serving")), lambda _: True, seconds=15)
    low, high = answer.response["interval"]
    assert low <= answer.response["prediction"] <= high
    assert answer.response["model"] == {"name": "trip-duration", "version": "1"}
    assert answer.metrics["holdout_rmse"] < answer.metrics["holdout_rmse_of_the_mean"]


@pytest.mark.parametrize("service", LASTING)
def test_a_service_is_healthy_and_can_do_no_more_than_it_must(stack: Any, service: str) -> None:
    found = stack.inspect(service)
    host = found["HostConfig"]
    assert found["State"]["Health"]["Status"] == "healthy"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert stack.compose("exec", "-T", service, "id", "-u").strip() != "0"
    assert stack.attempt("exec", "-T", service, "touch", "/written").returncode != 0
    published = [binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings]
    assert set(published) <= {"127.0.0.1"}


def test_the_deploy_job_ended_well(stack: Any) -> None:
    state = stack.inspect("deploy")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize("role", ["prefect", "mlflow", "warehouse"])
def test_a_role_sees_its_own_database_and_no_other(stack: Any, role: str) -> None:
    password = stack.secret("postgres", role)

    def connect(database: str) -> tuple[int, str]:
        url = f"postgresql://{role}:{password}@127.0.0.1/{database}"
        done = stack.attempt("exec", "-T", "postgres", "psql", url, "-c", "SELECT 1")
        return done.returncode, done.stderr

    assert connect(role)[0] == 0
    for other in {"prefect", "mlflow", "warehouse", "postgres"} - {role}:
        code, said = connect(other)
        assert code != 0
        assert "permission denied for database" in said


def test_a_changed_password_takes_effect_at_the_next_start(stack: Any) -> None:
    before = stack.secret("postgres", "prefect")
    stack.compose("run", "--rm", "--entrypoint", "rm", "secrets", "/secrets/kept/PREFECT_DB_PASSWORD")
    stack.compose("up", "--detach", "--no-deps", "secrets")
    stack.compose("up", "--detach", "--wait", "--force-recreate", "postgres", "prefect-server")
    assert stack.secret("postgres", "prefect") != before
    assert stack.secret("prefect-server", "pgpass") == f"*:*:*:prefect:{stack.secret('postgres', 'prefect')}"


def test_the_deployments_have_a_daily_schedule(stack: Any) -> None:
    for deployment in ("ingest/trips", TRAINING):
        found = call(f"{stack.url('prefect')}/api/deployments/name/{deployment}")
        assert [schedule["active"] for schedule in found["schedules"]] == [True]
        assert found["work_pool_name"] == "training"


def test_the_prefect_ui_is_served(stack: Any) -> None:
    settings = call(f"{stack.url('prefect')}/ui-settings")
    assert settings["api_url"] == "/api"


def test_a_second_training_that_is_better_is_swapped_in_without_a_failed_request(trained: Any) -> None:
    with steady_requests(trained) as (versions, failures):
        run = trained.runs.start(TRAINING, {"months": "2020-12..2021-01", "holdout": "2021-02"})
        follow(trained.runs, run, Terminal())
    assert failures == []
    assert (versions[0], versions[-1]) == ("1", "2")
    assert all(int(earlier) <= int(later) for earlier, later in pairwise(versions))


def test_an_alias_that_is_moved_in_the_registry_is_followed_within_ten_seconds(
    trained: Any, wait_until: WaitUntil
) -> None:
    for version in ("1", "2"):
        move_champion(trained, version)
        wait_until(lambda: served_version(trained), version.__eq__, seconds=10)


def rollouts(stack: Any) -> list[dict[str, Any]]:
    """The ledger, the newest first."""
    found: list[dict[str, Any]] = call(f"{stack.url('serving')}/model/history")["rollouts"]
    return found


def ended(stack: Any, deployment: str, **parameters: Any) -> dict[str, Any]:
    """The state in which a run of a deployment ended, however that was."""
    run = stack.runs.start(deployment, parameters)
    with suppress(RunFailed):
        follow(stack.runs, run, Terminal())
    state: dict[str, Any] = stack.runs.read(run)["state"]
    return state


def test_a_candidate_that_the_gate_refuses_is_not_served(trained: Any) -> None:
    before = served_version(trained)
    state = ended(trained, TRAINING, months="2021-01", holdout="2021-02", boosting={"max_rounds": 3})
    assert state["type"] == "COMPLETED"
    assert "version 3 was not promoted" in state["message"]
    assert served_version(trained) == before == rollouts(trained)[0]["to"]
    state = ended(trained, "promote/trip-duration")  # of the challenger
    assert state["type"] == "FAILED"
    assert "version 3 is refused" in state["message"]
    assert served_version(trained) == before


def test_a_promotion_against_the_gate_and_its_rollback_are_in_the_ledger(trained: Any) -> None:
    before = served_version(trained)
    assert ended(trained, "promote/trip-duration", force=True, reason="a drill")["type"] == "COMPLETED"
    assert served_version(trained) == "3"
    assert ended(trained, "rollback/trip-duration", reason="it is over")["type"] == "COMPLETED"
    assert served_version(trained) == before
    back, there = rollouts(trained)[:2]
    assert [(row["kind"], row["from"], row["to"], row["outcome"]) for row in (there, back)] == [
        ("promote", before, "3", "done"),
        ("rollback", "3", before, "done"),
    ]
    assert there["reason"].startswith("a drill (forced although the gate refuses it")


def test_an_alias_that_is_moved_by_hand_gets_its_row(trained: Any, wait_until: WaitUntil) -> None:
    for before, version in (("2", "1"), ("1", "2")):
        move_champion(trained, version)
        wait_until(lambda: served_version(trained), version.__eq__, seconds=10)
        assert ended(trained, "reconcile/trip-duration")["type"] == "COMPLETED"
        newest = rollouts(trained)[0]
        assert (newest["kind"], newest["actor"]) == ("by hand", "by hand in the registry")
        assert (newest["from"], newest["to"], newest["outcome"]) == (before, version, "done")


def test_mlflow_reaches_the_service_with_its_webhook(trained: Any) -> None:
    """That reconciliation, in the test above, has registered; MLflow has a test of its own for it."""
    webhooks = f"{trained.url('mlflow')}/api/2.0/mlflow/webhooks"
    (webhook,) = call(webhooks)["webhooks"]
    tested = call(f"{webhooks}/{webhook['webhook_id']}/test", {}, timeout=60)["result"]
    assert (tested["success"], tested["response_status"]) == (True, 202)


def test_the_history_is_shown_as_a_table(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    history.show(history.read(trained.url("serving")), "compose", Terminal())
    lines = capsys.readouterr().out.splitlines()
    kinds = [kind for line in lines for kind in ("train", "promote", "rollback", "by hand") if f"  {kind}  " in line]
    assert kinds == ["by hand", "by hand", "rollback", "promote", "train", "train"]
    assert any("it is over" in line for line in lines)


def test_a_reload_with_a_wrong_token_is_refused(trained: Any) -> None:
    before = served_version(trained)
    with pytest.raises(Refused) as refusal:
        call(f"{trained.url('serving')}/reload", {"version": "1"}, token="wrong")
    assert refusal.value.status == 401
    assert served_version(trained) == before


def test_a_reload_to_a_version_that_does_not_exist_is_refused_and_the_old_one_serves_on(trained: Any) -> None:
    before = served_version(trained)
    with pytest.raises(Refused) as refusal:
        call(
            f"{trained.url('serving')}/reload",
            {"version": "99"},
            token=trained.secret("serving", "SERVING_RELOAD_TOKEN"),
        )
    assert refusal.value.status == 409
    assert served_version(trained) == before


@pytest.mark.parametrize("deployment", [TRAINING, "ingest/trips"])
def test_schedules_make_runs(trained: Any, wait_until: WaitUntil, deployment: str) -> None:
    # Prefect's scheduler looks once a minute
    wait_until(lambda: trained.runs.planned(deployment), bool, seconds=120)


@pytest.mark.skipif("ROUNDHOUSE_TLC_DATA" not in os.environ, reason="needs the city's real files")
def test_two_years_are_replayed_until_the_model_has_drifted_and_is_replaced(trained: Any) -> None:
    trained.compose("cp", f"{os.environ['ROUNDHOUSE_TLC_DATA']}/.", f"prefect-worker:{GIVEN}")
    wanted = {"months": "2021-01..2023-01", "source": "tlc", "tlc_location": GIVEN, "speed": 1e8, "share": 0.1}
    ended = follow(trained.runs, trained.runs.start(REPLAY, wanted), Terminal())
    story = dict(line.split(": ", 1) for line in ended["state"]["message"].splitlines())
    assert "is champion and served" in story["end of 2021-01"]
    assert story["end of 2021-02"] == "quiet"
    assert story["end of 2023-01"].startswith("drift: ")
    assert story["after 2023-01"].startswith(f"retraining promoted: version {served_version(trained)}: ")


def test_without_the_registry_a_restarted_service_serves_what_it_served(trained: Any, wait_until: WaitUntil) -> None:
    before = ask(trained.url("serving"))
    trained.compose("stop", "mlflow")
    try:
        trained.compose("restart", "serving")
        after = wait_until(lambda: ask(trained.url("serving")), lambda _: True, seconds=60)
    finally:
        trained.compose("start", "mlflow")
    assert after.response["model"] == before.response["model"]
    assert after.response["prediction"] == before.response["prediction"]


def test_down_and_up_again_lose_nothing(trained: Any, wait_until: WaitUntil) -> None:
    before, last_run = ask(trained.url("serving")), trained.runs.newest(TRAINING)
    trained.down()
    trained.up()
    after = wait_until(lambda: ask(trained.url("serving")), lambda _: True, seconds=60)
    assert after.response["model"] == before.response["model"]
    assert after.response["prediction"] == before.response["prediction"]
    assert trained.runs.newest(TRAINING) == last_run, "a stack that has a champion doesn't train by itself again"
