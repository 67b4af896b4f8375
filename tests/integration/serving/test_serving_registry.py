"""One worker against a real MLflow registry: what it loads, refuses and follows."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from boosters import replaced, with_numbers
from contract import Contract

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

PROBLEM = "urn:roundhouse:problem:"
MakeBundle = Callable[..., Contract]


@pytest.fixture(scope="module")
def model(tracking: Any, make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registered model: 1 good, 2 as MLflow 3 logs it, 3 without contract, 4 damaged, 5 another model's,
    6 that ends the process that explains by it."""
    name, folder = "bike-demand", tmp_path_factory.mktemp("bundles")
    make_bundle(folder / "1", offset=0)
    make_bundle(folder / "2", offset=100)
    make_bundle(folder / "3", offset=200)
    (folder / "3" / "contract.json").unlink()
    make_bundle(folder / "4", offset=300)
    make_bundle(folder / "5", offset=400, name="car-demand")
    tracking.publish(name, folder / "1", rmse=4.25)
    tracking.publish_logged_model(name, folder / "2")
    make_bundle(folder / "6", offset=500)
    # no prediction reads it
    replaced(folder / "6", with_numbers((folder / "6" / "model.ubj").read_bytes(), "parents", 2**31 - 1))
    for number in "3456":
        tracking.publish(name, folder / number)
    damaged = tracking.stored(name, "4", "model.ubj")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    return name


def test_it_starts_empty_and_takes_refuses_and_follows_versions(
    model: str, tracking: Any, start_replica: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_replica(model)

    _is_alive_but_not_ready(replica, wait_until)
    _takes_a_version_asked_for(replica)
    _refuses_and_serves_on(replica)
    _wants_its_token(replica)
    _follows_the_alias(replica, tracking, wait_until)
    _reports_a_champion_that_it_refuses(replica, tracking, wait_until)

    assert replica.stop() == 0
    assert "Traceback" not in replica.output()
    assert sorted(path.name[:2] for path in (replica.store / model).glob("[0-9]*")) == ["1-", "2-"]


def _is_alive_but_not_ready(replica: Any, wait_until: Callable[..., Any]) -> None:
    assert replica.get("/health/live").status_code == 200
    wait_until(lambda: "no champion" in replica.get("/health/ready").json()["detail"], 10, "the reason is said")
    for response in (replica.get("/health/ready"), replica.get("/model"), replica.predict()):
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Retry-After"]
    assert _problem(replica.reload()) == (409, "no-champion")


def _takes_a_version_asked_for(replica: Any) -> None:
    answer = replica.reload({"version": 1}).json()
    assert (answer["from"], answer["to"], answer["generation"]) == (None, "1", 1)
    served = replica.get("/model").json()
    assert (served["version"], served["alias"], served["metrics"]) == ("1", None, {"holdout_rmse": 4.25})
    assert replica.predict().json()["model"]["version"] == "1"


def _refuses_and_serves_on(replica: Any) -> None:
    assert _problem(replica.reload({"version": 3})) == (409, "no-contract")
    assert _problem(replica.reload({"version": 4})) == (409, "damaged-bundle")
    assert "model.ubj: sha256" in replica.reload({"version": 4}).json()["detail"]
    assert _problem(replica.reload({"version": 5})) == (409, "wrong-model")
    workers = replica.get("/model").json()["workers"]
    assert "loading it ends the process" in replica.reload({"version": 6}).json()["detail"]
    assert replica.get("/model").json()["workers"] == workers
    assert _problem(replica.reload({"version": 99})) == (409, "version-not-found")
    assert _problem(replica.reload({"version": "two"})) == (422, "invalid-input")
    assert _problem(replica.reload({"versoin": 2})) == (422, "invalid-input")
    assert replica.get("/model").json()["generation"] == 1


def _wants_its_token(replica: Any) -> None:
    wrong = replica.reload({"version": 2}, token="wrong")
    missing = requests.post(f"{replica.url}/reload", timeout=10)
    for response in (wrong, missing):
        assert _problem(response) == (401, "not-authorized")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert replica.get("/model").json()["version"] == "1"


def _follows_the_alias(replica: Any, tracking: Any, wait_until: Callable[..., Any]) -> None:
    tracking.crown(replica.model_name, "2")
    served = wait_until(lambda: replica.holds("2"), 10, "the service follows the alias")
    assert (served["alias"], served["refused"]) == ("champion", None)
    pinned = replica.reload({"version": 1}).json()
    assert (pinned["from"], pinned["to"]) == ("2", "1")
    tracking.crown(replica.model_name, "1")
    wait_until(lambda: replica.get("/model").json()["alias"] == "champion", 10, "the pinned version becomes champion")
    assert replica.get("/model").json()["generation"] == pinned["generation"]


def _reports_a_champion_that_it_refuses(replica: Any, tracking: Any, wait_until: Callable[..., Any]) -> None:
    tracking.crown(replica.model_name, "4")
    wait_until(lambda: replica.get("/model").json()["refused"], 10, "the refused champion is reported")
    served = replica.get("/model").json()
    assert (served["version"], served["refused"]["version"]) == ("1", "4")
    assert "sha256" in served["refused"]["reason"]
    assert "serving_champion_refused 1.0" in replica.get("/metrics").text
    assert replica.predict().json()["model"]["version"] == "1"
    tracking.crown(replica.model_name, "2")
    wait_until(lambda: replica.holds("2"), 10, "the next champion is followed")
    assert replica.get("/model").json()["refused"] is None
    assert replica.output().count("was refused") == 1


def _problem(response: requests.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].removeprefix(PROBLEM)


def test_a_second_service_on_the_same_store_refuses_to_start(
    model: str, start_replica: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    first = start_replica(model)
    second = start_replica(model, start_seconds=0, SERVING_STORE=str(first.store))
    assert second.wait(30) == 1
    assert "is another service's" in second.output()
    assert first.get("/health/live").ok
