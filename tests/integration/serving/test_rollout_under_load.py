"""Fifty rollouts back and forth while another process asks without a pause: nothing is lost, nothing is mixed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import steady_load
from contract import Contract, booster
from contract.rows import Rows
from pydantic_core import to_json

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

MODEL = "ferry-demand"
SWAPS = 50
ROWS = [
    {"at": f"2024-05-{1 + n % 28:02}T{n % 24:02}:00:00", "station": 5 + n % 7, "temperature": n / 9} for n in range(120)
]


@pytest.fixture(scope="module")
def questions(
    tracking: Any, make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Rows, and what versions 1 and 2, which are registered, predict for them."""
    expected = {}
    for offset in (0, 100):
        folder = tmp_path_factory.mktemp("bundle")
        contract = make_bundle(folder, offset=offset, name=MODEL)
        features = contract.compiled.rows(Rows(contract).parse_batch(to_json({"rows": ROWS})))
        expected[tracking.publish(MODEL, folder)] = [
            float(value) for value in booster.load(folder).predict(features).tolist()
        ]
    return {"rows": ROWS, "expected": expected}


@contextmanager
def asking(url: str, questions: dict[str, Any], folder: Path) -> Iterator[dict[str, int]]:
    """Another process asks as long as the context lasts; what it saw is there at its end."""
    file, seen = folder / "questions.json", dict[str, int]()
    file.write_text(json.dumps(questions))
    command = [sys.executable, steady_load.__file__, url, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        yield seen
        told, _ = process.communicate(timeout=60)
        seen.update(json.loads(told))


@pytest.mark.parametrize("workers", [1, 4])
def test_no_request_is_lost_and_none_is_mixed(
    tracking: Any,
    questions: dict[str, Any],
    start_replica: Callable[..., Any],
    wait_until: Callable[..., Any],
    tmp_path: Path,
    workers: int,
) -> None:
    tracking.crown(MODEL, "1")
    replica = start_replica(MODEL, workers=workers)
    wait_until(lambda: replica.holds("1"), 60, "the champion is served")
    with asking(replica.url, questions, tmp_path) as seen:
        for swap in range(SWAPS):
            version = str(2 - swap % 2)
            assert replica.roll_out("stage", version).status_code == 200
            swapped = replica.roll_out("swap", version, lease_seconds=30).json()
            assert {worker["version"] for worker in swapped["workers"]} == {version}
            assert len(swapped["workers"]) == workers
            tracking.crown(MODEL, version)
            assert replica.reload().status_code == 200
            model = replica.holds(version)
            assert model is not None
            assert (model["lease"], model["alias"]) == (None, "champion")
    assert set(seen) == {f"{kind}version {version}" for kind in ("", "batch of ") for version in ("1", "2")}
    assert min(seen.values()) > SWAPS


def test_a_driver_that_died_after_the_swap_leaves_what_the_alias_says(
    tracking: Any, questions: dict[str, Any], start_replica: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    assert set(questions["expected"]) == {"1", "2"}
    tracking.crown(MODEL, "1")
    replica = start_replica(MODEL, workers=2)
    wait_until(lambda: replica.holds("1"), 60, "the champion is served")
    assert replica.roll_out("swap", "2", lease_seconds=1).status_code == 200
    assert replica.holds("2")
    wait_until(lambda: replica.holds("1"), 10, "the lease has ended")
    assert replica.get("/model").json()["lease"] is None
