"""The registry goes away and comes back."""

from collections.abc import Callable
from typing import Any

import pytest
from contract import Contract

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

MODEL = "water-bus-demand"


def test_the_last_known_good_model_is_served_until_the_registry_is_back(
    tracking: Any,
    make_bundle: Callable[..., Contract],
    tmp_path_factory: pytest.TempPathFactory,
    start_replica: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    for offset in (0, 100):
        folder = tmp_path_factory.mktemp("bundle")
        make_bundle(folder, offset=offset, name=MODEL)
        tracking.publish(MODEL, folder, rmse=3.5)
    tracking.crown(MODEL, "1")
    replica = start_replica(MODEL, workers=2)
    before = wait_until(lambda: replica.holds("1"), 30, "the champion is served")
    prediction = replica.predict().json()["prediction"]

    tracking.kill()
    try:
        assert replica.predict().json()["prediction"] == prediction
        unreachable = replica.reload()
        assert unreachable.status_code == 502
        assert unreachable.json()["type"] == "urn:roundhouse:problem:registry-unreachable"
        wait_until(lambda: _failures(replica) > 0, 10, "failed polls are counted")
        assert replica.stop() == 0
        replica.start()
        after = wait_until(lambda: replica.holds("1"), 30, "the last known good model is served")
        for name in ("alias", "metrics", "generation", "digest", "run_id"):
            assert after[name] == before[name]
        assert replica.predict().json()["prediction"] == prediction
        wait_until(lambda: _failures(replica) > 1, 10, "the registry is asked again and again")
    finally:
        tracking.start()

    tracking.crown(MODEL, "2")
    wait_until(lambda: replica.holds("2"), 10, "the alias is followed again")
    assert replica.predict().json()["prediction"] != prediction
    assert replica.output().count("not following the alias: the registry at") == 2  # once in each of the two lives


def _failures(replica: Any) -> float:
    lines = replica.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("serving_registry_poll_failures_total")).split()[1])
