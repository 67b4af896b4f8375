"""One rollout of a model at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
import psycopg2.errors

from trainer.data.transaction import Connection, transaction
from trainer.rollout.errors import RolloutInProgress

KEY = "hashtextextended('rollout:' || %s, 0)"
"""The advisory lock's number, from the model's name. Postgres computes it: any program can name the same lock."""


@contextmanager
def exclusive(connection: Connection, model: str, wait_seconds: float) -> Iterator[None]:
    """Holds the lock of a model's rollouts. It belongs to the connection, and ends with it, however that ends.

    Args:
        wait_seconds: 0 to be refused at once.

    Raises:
        RolloutInProgress: another connection still has it.
    """
    if not _take(connection, model, wait_seconds):
        raise RolloutInProgress(model, wait_seconds)
    try:
        yield
    finally:
        # a connection that is gone has no lock to give back
        with suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
            _give_back(connection, model)


def _take(connection: Connection, model: str, wait_seconds: float) -> bool:
    if wait_seconds <= 0:
        with transaction(connection) as cursor:
            cursor.execute(f"SELECT pg_try_advisory_lock({KEY})", (model,))
            (taken,) = cursor.fetchone() or (False,)
            return bool(taken)
    try:
        with transaction(connection) as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(wait_seconds * 1000)}ms",))
            cursor.execute(f"SELECT pg_advisory_lock({KEY})", (model,))
    except psycopg2.errors.LockNotAvailable:
        return False
    return True


def _give_back(connection: Connection, model: str) -> None:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT pg_advisory_unlock({KEY})", (model,))
