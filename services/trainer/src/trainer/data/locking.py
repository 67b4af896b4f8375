"""Locks that programs take by a name, in the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
import psycopg2.errors

from trainer.data.transaction import Connection, transaction

KEY = "hashtextextended(%s, 0)"
"""The advisory lock's number, from its name. Postgres computes it: any program can name the same lock."""


@contextmanager
def locked(connection: Connection, name: str, wait_seconds: float) -> Iterator[bool]:
    """Whether the connection has the lock. It belongs to the connection, and ends with it, however that ends.

    Args:
        wait_seconds: 0 to learn at once that another has it.
    """
    taken = _take(connection, name, wait_seconds)
    try:
        yield taken
    finally:
        if taken:
            # a connection that is gone has no lock to give back
            with suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
                _give_back(connection, name)


def _take(connection: Connection, name: str, wait_seconds: float) -> bool:
    if wait_seconds <= 0:
        with transaction(connection) as cursor:
            cursor.execute(f"SELECT pg_try_advisory_lock({KEY})", (name,))
            (taken,) = cursor.fetchone() or (False,)
            return bool(taken)
    try:
        with transaction(connection) as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{max(round(wait_seconds * 1000), 1)}ms",))
            cursor.execute(f"SELECT pg_advisory_lock({KEY})", (name,))
    except psycopg2.errors.LockNotAvailable:
        return False
    return True


def _give_back(connection: Connection, name: str) -> None:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT pg_advisory_unlock({KEY})", (name,))
