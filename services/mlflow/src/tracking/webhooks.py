"""Webhooks whose secret MLflow can no longer read, after its key was changed or lost."""

import logging

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import create_engine, inspect, text

log = logging.getLogger(__name__)


def forget_unreadable(database: str, key: str) -> list[str]:
    """Deletes them: with one of them there, MLflow lists none and sends none.

    Args:
        database: SQLAlchemy's address of MLflow's own, whose migrations have been made.
        key: ``MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY``.

    Returns:
        Their names. ``reconcile`` registers the model service's again.
    """
    engine = create_engine(database)
    try:
        if not inspect(engine).has_table("webhooks"):
            return []
        with engine.begin() as connection:
            # as text: MLflow's own model of the table would decrypt it, and fail
            kept = connection.execute(text("SELECT webhook_id, name, secret FROM webhooks WHERE secret IS NOT NULL"))
            lost = {row.webhook_id: row.name for row in kept if not _readable(row.secret, Fernet(key))}
            for one in lost:
                connection.execute(text("DELETE FROM webhook_events WHERE webhook_id = :one"), {"one": one})
                connection.execute(text("DELETE FROM webhooks WHERE webhook_id = :one"), {"one": one})
    finally:
        engine.dispose()
    for name in lost.values():
        log.warning("the webhook %r was made with another key, which can't be had: it is forgotten", name)
    return list(lost.values())


def _readable(secret: str, key: Fernet) -> bool:
    try:
        key.decrypt(secret)
    except InvalidToken:
        return False
    return True
