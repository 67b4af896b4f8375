"""What was served when, why and by whose decision: the rollouts that the trainer writes into the warehouse."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from serving.errors import LedgerUnreachable

CONNECT_SECONDS = 3
STATEMENT_MILLISECONDS = 5_000

_QUERY = """
    SELECT id, kind, from_version AS "from", to_version AS "to", actor, reason, outcome, failure, begun_at, ended_at,
        extract(epoch FROM ended_at - begun_at)::float8 AS seconds
    FROM rollouts WHERE model = %s ORDER BY id DESC LIMIT %s
"""


class Ledger:
    """Reads the table ``rollouts``, over a connection of its own each time: it is asked for seldom."""

    def __init__(self, url: str, model: str) -> None:
        """``url`` is ``postgresql://…/warehouse``; empty where there is no warehouse."""
        self._url = url
        self._model = model

    def rollouts(self, most: int) -> Sequence[dict[str, Any]]:
        """The newest first. Blocks. Raises LedgerUnreachable."""
        # imported here: a worker that is never asked doesn't pay for the package
        import psycopg2
        from psycopg2.extras import RealDictCursor

        if not self._url:
            raise LedgerUnreachable("no warehouse is configured (SERVING_WAREHOUSE_URL)")
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c default_transaction_read_only=on"
        try:
            connection = psycopg2.connect(
                self._url, connect_timeout=CONNECT_SECONDS, application_name="serving", options=options
            )
            with closing(connection), connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(_QUERY, (self._model, most))
                return [_row(found) for found in cursor]
        except psycopg2.Error as error:
            raise LedgerUnreachable(f"the warehouse: {str(error).strip().splitlines()[0]}") from error


def _row(found: dict[str, Any]) -> dict[str, Any]:
    moments = {name: None if found[name] is None else found[name].isoformat() for name in ("begun_at", "ended_at")}
    return {**found, **moments}
