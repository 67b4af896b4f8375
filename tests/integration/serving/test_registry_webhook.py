"""The webhook of a real MLflow server: replicas that never poll follow the alias all the same."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract import Contract
from trainer.registry.webhook import Webhook

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

SECRET = "a-secret-for-tests"
NEVER = "3600"
"""Seconds between polls: longer than any test."""

Start = Callable[..., Any]


@pytest.fixture
def start(
    tracking: Any, start_serving: Start, make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """``start(model, secret)``: a replica of two workers that serves version 1 of 2, and MLflow's webhook for it."""
    registered: list[Webhook] = []

    def begin(model: str, secret: str) -> Any:
        replica = start_serving(model, workers=2, SERVING_POLL_SECONDS=NEVER, SERVING_WEBHOOK_SECRET=SECRET)
        folder = tmp_path_factory.mktemp("second")
        make_bundle(folder, offset=100, name=model)
        assert tracking.publish(model, folder) == "2"
        webhook = Webhook(tracking.client, model, replica.url)
        webhook.register(secret)
        registered.append(webhook)
        return replica

    yield begin
    for webhook in registered:
        webhook.remove()


def probe(tracking: Any, model: str) -> Any:
    """What MLflow's own test of the model's webhook says."""
    (webhook,) = [found for found in tracking.client.list_webhooks() if found.name == f"serving-{model}"]
    return tracking.client.test_webhook(webhook.webhook_id)


def test_an_alias_that_moves_is_followed_by_the_webhook_alone(
    start: Start, tracking: Any, wait_until: Callable[..., Any]
) -> None:
    replica = start("told-demand", SECRET)
    for version in ("2", "1", "2"):
        tracking.crown(replica.model_name, version)
        served = wait_until(lambda version=version: replica.holds(version), 10, "the service follows the alias")
        assert served["alias"] == "champion"
    assert replica.metric("serving_registry_events_total", outcome="followed") == 3

    answer = probe(tracking, replica.model_name)
    assert (answer.success, answer.response_status) == (True, 202)
    assert replica.metric("serving_registry_events_total", outcome="ignored") == 1

    _undoes_no_rollout(replica, tracking, wait_until)
    # what MLflow keeps of a webhook it can still read, since its key is a fixed one
    tracking.stop()
    tracking.start()
    tracking.crown(replica.model_name, "1")
    wait_until(lambda: replica.holds("1"), 10, "MLflow, started again, still tells of the alias")
    assert "Traceback" not in replica.output()


def _undoes_no_rollout(replica: Any, tracking: Any, wait_until: Callable[..., Any]) -> None:
    assert replica.roll_out("swap", "1", lease_seconds=600).ok
    before = replica.metric("serving_registry_events_total", outcome="followed")
    tracking.crown(replica.model_name, "2")
    wait_until(
        lambda: replica.metric("serving_registry_events_total", outcome="followed") > before, 10, "the event is taken"
    )
    assert replica.holds("1")["lease"]["before"] == "2"
    tracking.crown(replica.model_name, "1")
    wait_until(lambda: replica.get("/model").json()["lease"] is None, 10, "the alias fulfils the lease")
    tracking.crown(replica.model_name, "2")
    wait_until(lambda: replica.holds("2"), 10, "the service follows the alias again")


def test_a_webhook_with_another_secret_moves_nothing(
    start: Start, tracking: Any, wait_until: Callable[..., Any]
) -> None:
    replica = start("deaf-demand", "another-secret")
    tracking.crown(replica.model_name, "2")
    wait_until(lambda: replica.metric("serving_refused_total", reason="bad-signature"), 10, "the delivery is refused")
    assert replica.holds("1")
    assert replica.metric("serving_registry_events_total") == 0

    answer = probe(tracking, replica.model_name)
    assert (answer.success, answer.response_status) == (False, 401)
    assert "the signature is wrong" in answer.response_body
