"""MLflow keeps exactly one webhook for the model service, in a registry of MLflow's own in a file."""

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import Webhook as Registered
from mlflow.entities.webhook import WebhookStatus
from mlflow.exceptions import MlflowException
from trainer.registry.webhook import AT_ONCE, EVENTS, Webhook

SERVICE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"
    return MlflowClient(uri, uri)


@pytest.fixture
def client(registry: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """Of a registry without webhooks, with the stack's settings."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    yield registry
    for webhook in found(registry):
        registry.delete_webhook(webhook.webhook_id)


def found(client: MlflowClient) -> list[Registered]:
    """With their secrets, which only MLflow's own store gives."""
    return [client.get_webhook(webhook.webhook_id) for webhook in client.list_webhooks(1_000)]


def events(webhook: Registered) -> list[str]:
    return sorted(f"{event.entity}.{event.action}" for event in webhook.events)


def test_it_is_registered_with_the_services_url_the_secret_and_the_events_of_aliases(client: MlflowClient) -> None:
    Webhook(client, "trip-duration", SERVICE + "/").register("s3cret")
    (only,) = found(client)
    assert (only.name, only.url, only.secret) == ("serving-trip-duration", f"{SERVICE}/registry/events", "s3cret")
    assert events(only) == sorted(EVENTS)
    assert only.status == WebhookStatus.ACTIVE


def test_registered_again_it_is_the_same_one(client: MlflowClient) -> None:
    for _ in range(3):
        Webhook(client, "trip-duration", SERVICE).register("s3cret")
        (only,) = found(client)
    Webhook(client, "trip-duration", "http://127.0.0.1:8001").register("another")
    (changed,) = found(client)
    assert (changed.webhook_id, changed.url, changed.secret) == (
        only.webhook_id,
        "http://127.0.0.1:8001/registry/events",
        "another",
    )
    assert events(changed) == sorted(EVENTS)


def test_events_that_somebody_changed_are_set_right(client: MlflowClient) -> None:
    webhook = Webhook(client, "trip-duration", SERVICE)
    webhook.register("s3cret")
    client.update_webhook(found(client)[0].webhook_id, events=["registered_model.created"])
    webhook.register("s3cret")
    (only,) = found(client)
    assert events(only) == sorted(EVENTS)


def test_one_that_a_person_disabled_stays_so(client: MlflowClient) -> None:
    webhook = Webhook(client, "trip-duration", SERVICE)
    webhook.register("s3cret")
    client.update_webhook(found(client)[0].webhook_id, status="DISABLED")
    webhook.register("another")
    (only,) = found(client)
    assert (only.status, only.secret) == (WebhookStatus.DISABLED, "another")


def test_of_several_one_is_left_and_those_of_others_stay(client: MlflowClient) -> None:
    others = {client.create_webhook("alerts", "http://127.0.0.1:9/a", EVENTS).webhook_id}
    others.add(client.create_webhook("serving-car-demand", "http://127.0.0.1:9/b", EVENTS).webhook_id)
    # more than MLflow gives in one answer
    for _ in range(AT_ONCE + 1):
        client.create_webhook("serving-trip-duration", "http://127.0.0.1:9/c", EVENTS, secret="old")
    Webhook(client, "trip-duration", SERVICE).register("s3cret")
    ours = [webhook for webhook in found(client) if webhook.webhook_id not in others]
    assert [(webhook.url, webhook.secret) for webhook in ours] == [(f"{SERVICE}/registry/events", "s3cret")]
    assert others < {webhook.webhook_id for webhook in found(client)}


def test_it_is_removed_once_and_once_more_does_no_harm(client: MlflowClient) -> None:
    other = client.create_webhook("alerts", "http://127.0.0.1:9/a", EVENTS).webhook_id
    webhook = Webhook(client, "trip-duration", SERVICE)
    webhook.register("s3cret")
    for _ in range(2):
        webhook.remove()
        assert [left.webhook_id for left in found(client)] == [other]


def test_where_mlflow_sends_nothing_inside_it_says_so(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "false")
    with pytest.raises(MlflowException, match="non-public"):
        Webhook(client, "trip-duration", SERVICE).register("s3cret")
    assert found(client) == []
