"""Four workers: they are always of one mind, whoever dies and whatever is swapped under load."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from contract import Contract, booster
from contract.rows import Rows
from pydantic_core import to_json

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

MODEL = "scooter-demand"
ROWS = [{"at": f"2024-05-01T{hour:02}:00:00", "station": 5 + hour % 7, "temperature": hour / 3} for hour in range(24)]


@pytest.fixture(scope="module")
def expected(
    tracking: Any, make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[float]]:
    """Versions 1 and 2 are registered; what each predicts for ROWS."""
    predictions = {}
    for offset in (0, 100):
        folder = tmp_path_factory.mktemp("bundle")
        contract = make_bundle(folder, offset=offset, name=MODEL)
        features = contract.compiled.rows(Rows(contract).parse_batch(to_json({"rows": ROWS})))
        predictions[tracking.publish(MODEL, folder)] = booster.load(folder).predict(features).tolist()
    tracking.crown(MODEL, "1")
    return predictions


@pytest.fixture(scope="module")
def whole_replica(
    expected: dict[str, list[float]], start_replica: Callable[..., Any], wait_until: Callable[..., Any]
) -> Any:
    started = start_replica(MODEL, workers=4)
    wait_until(lambda: started.holds("1"), 60, "all workers hold the champion")
    return started


@pytest.fixture
def replica(whole_replica: Any, wait_until: Callable[..., Any]) -> Any:
    """Four workers that hold version 1."""
    wait_until(lambda: whole_replica.reload({"version": 1}).ok and whole_replica.holds("1"), 60, "version 1 is served")
    return whole_replica


def test_every_answer_during_swaps_is_its_own_versions(replica: Any, expected: dict[str, list[float]]) -> None:
    with _asking(replica.url, expected) as answers:
        for swap in range(20):
            response = replica.reload({"version": 2 - swap % 2})
            assert response.status_code == 200, response.text
            to = response.json()["to"]
            assert {(worker["version"]) for worker in response.json()["workers"]} == {to}
            # converged means converged: no later answer comes from the version before
            assert {requests.get(f"{replica.url}/model", timeout=10).json()["version"] for _ in range(8)} == {to}
    assert len(answers) > 100
    assert {version for version, _ in answers} == {"1", "2"}
    assert all(right for _, right in answers)


def test_reloads_at_the_same_time_end_in_one_state(replica: Any) -> None:
    with ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(lambda number: replica.reload({"version": 1 + number % 2}), range(12)))
    assert {response.status_code for response in responses} == {200}
    assert replica.holds(replica.get("/model").json()["version"])


def test_a_killed_worker_is_replaced_by_one_with_the_current_model(
    replica: Any, wait_until: Callable[..., Any]
) -> None:
    assert replica.reload({"version": 2}).status_code == 200
    pids = {worker["pid"] for worker in replica.holds("2")["workers"]}
    victim = min(pids)
    os.kill(victim, signal.SIGKILL)
    model = wait_until(lambda: _without(victim, replica.holds("2")), 60, "a new worker holds the model")
    assert len(pids & {worker["pid"] for worker in model["workers"]}) == 3
    assert {worker["generation"] for worker in model["workers"]} == {model["generation"]}
    assert 'serving_workers{model="loaded"} 4.0' in replica.get("/metrics").text
    assert replica.reload({"version": 1}).status_code == 200


def test_the_alias_is_followed_after_its_follower_was_killed(
    replica: Any, tracking: Any, wait_until: Callable[..., Any]
) -> None:
    for worker in replica.holds("1")["workers"][:3]:
        os.kill(worker["pid"], signal.SIGKILL)
    wait_until(lambda: replica.holds("1"), 60, "the workers are back")
    tracking.crown(MODEL, "2")
    wait_until(lambda: replica.holds("2"), 10, "the alias is followed")
    tracking.crown(MODEL, "1")


def test_workers_end_when_their_supervisor_is_killed(replica: Any, wait_until: Callable[..., Any]) -> None:
    pids = [worker["pid"] for worker in replica.holds("1")["workers"]]
    os.kill(replica.pid, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids), 30, "the workers end")


def _without(pid: int, model: dict[str, Any] | None) -> dict[str, Any] | None:
    return model if model and pid not in [worker["pid"] for worker in model["workers"]] else None


@contextmanager
def _asking(url: str, expected: dict[str, list[float]]) -> Iterator[list[tuple[str, bool]]]:
    """Asks without pause, by rows and by batches, and collects which version answered and whether it was right."""
    stop = threading.Event()
    answers: list[tuple[str, bool]] = []

    def ask_rows() -> None:
        with requests.Session() as session:
            position = 0
            while not stop.is_set():
                position = (position + 1) % len(ROWS)
                answer = session.post(f"{url}/predict", json=ROWS[position], timeout=10).json()
                version = answer["model"]["version"]
                answers.append((version, answer["prediction"] == expected[version][position]))

    def ask_batches() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                answer = session.post(f"{url}/predict/batch", json={"rows": ROWS}, timeout=10).json()
                version = answer["model"]["version"]
                answers.append((version, answer["predictions"] == expected[version]))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask) for ask in (ask_rows, ask_rows, ask_rows, ask_batches)]
        try:
            yield answers
        finally:
            stop.set()
        for asked in running:
            asked.result()
