"""Everything or nothing, in the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.extensions

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """A cursor whose work is committed at the block's end, or undone when the block raises.

    Unlike psycopg2's own block it lets the error through by which the connection was lost.
    """
    try:
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
