"""MLflow's webhooks after its key was changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from tracking.webhooks import forget_unreadable


def test_what_another_key_made_is_forgotten_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    moved = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
    store = SqlAlchemyStore(database)
    keys = {name: Fernet.generate_key().decode() for name in ("lost", "kept")}
    for name, key in keys.items():
        webhook = store.create_webhook(name, "https://127.0.0.1", [moved])
        encrypted = Fernet(key).encrypt(b"secret").decode()
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
            connection.execute("UPDATE webhooks SET secret = ? WHERE webhook_id = ?", (encrypted, webhook.webhook_id))
    assert forget_unreadable(database, keys["kept"]) == ["lost"]
    assert forget_unreadable(database, keys["kept"]) == []
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("SELECT name FROM webhooks").fetchall() == [("kept",)]
        assert len(connection.execute("SELECT webhook_id FROM webhook_events").fetchall()) == 1


def test_a_database_without_webhooks_is_left_alone(tmp_path: Path) -> None:
    assert forget_unreadable(f"sqlite:///{tmp_path / 'empty.db'}", Fernet.generate_key().decode()) == []
