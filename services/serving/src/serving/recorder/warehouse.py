"""Lines of the spool into the warehouse, each once, whatever is sent again."""

from contextlib import suppress
from io import BytesIO
from typing import Any

from serving.recorder.spool import OUTCOMES

CONNECT_SECONDS = 3
STATEMENT_MILLISECONDS = 60_000
# a server that is cut off rather than ended says nothing: Linux gives it up after so long
SOCKET: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

COPY_BYTES = 256 * 1024

_PREPARE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS said (
        kind text, at bigint, microseconds bigint, request text, answer text
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS told (at bigint, prediction_id uuid, actual float8) ON COMMIT DELETE ROWS
"""

_DAYS = """
    SELECT ensure_prediction_day(day)
    FROM (SELECT DISTINCT (to_timestamp(at / 1e6) AT TIME ZONE 'UTC')::date AS day FROM said) AS days
"""

# a row of a batch has the batch's id with its own number, from 0, as the last eight digits
_PREDICTIONS = """
    WITH parsed AS MATERIALIZED (
        SELECT kind, to_timestamp(at / 1e6) AS at, microseconds / 1e6 AS seconds,
            request::jsonb AS request, answer::jsonb AS answer
        FROM said
    ), ones AS (
        SELECT (answer->>'prediction_id')::uuid AS id, at,
            CASE kind WHEN 'shadow' THEN 'challenger' ELSE 'champion' END AS role,
            answer->'model' AS model, request AS fields, (answer->>'prediction')::float8 AS prediction,
            (answer->'interval'->>0)::float8 AS low, (answer->'interval'->>1)::float8 AS high, seconds
        FROM parsed WHERE kind <> 'batch'
    ), rows AS (
        SELECT (left(answer->>'batch_id', 24) || lpad(to_hex(number - 1), 8, '0'))::uuid AS id, at,
            'champion' AS role, answer->'model' AS model, fields, prediction::float8,
            (bounds->>0)::float8 AS low, (bounds->>1)::float8 AS high, seconds
        FROM parsed, LATERAL ROWS FROM (
            jsonb_array_elements(request->'rows'),
            jsonb_array_elements_text(answer->'predictions'),
            jsonb_array_elements(CASE jsonb_typeof(answer->'intervals') WHEN 'array' THEN answer->'intervals' END)
        ) WITH ORDINALITY AS each (fields, prediction, bounds, number)
        WHERE kind = 'batch'
    )
    INSERT INTO predictions (id, at, role, model, version, fields, prediction, low, high, seconds)
    SELECT id, at, role, model->>'name', model->>'version', fields, prediction, low, high, seconds
    FROM (SELECT * FROM ones UNION ALL SELECT * FROM rows) AS found
    ON CONFLICT DO NOTHING
"""

_OUTCOMES = """
    INSERT INTO outcomes (prediction_id, actual, source, received_at)
    SELECT DISTINCT ON (prediction_id) prediction_id, actual, 'feedback', to_timestamp(at / 1e6)
    FROM told ORDER BY prediction_id, at DESC
    ON CONFLICT (prediction_id) DO UPDATE
    SET actual = excluded.actual, source = excluded.source, received_at = excluded.received_at
    WHERE outcomes.source <> 'feedback' OR outcomes.received_at <= excluded.received_at
"""


class Away(Exception):
    """The warehouse can't be reached, or isn't ready: it may be later."""


class Unfit(Exception):
    """The warehouse won't ever take some of these lines."""


class Warehouse:
    """One connection, made when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    def take(self, kind: str, lines: bytes) -> int:
        """Keeps whole lines of one kind of segment; how many rows were new.

        Raises:
            Away, Unfit: none of them was kept.
        """
        import psycopg2

        try:
            with self._connected() as connection, connection.cursor() as cursor:
                return self._copy(cursor, kind, lines)
        # text that is no JSON, a number or a moment that isn't one, a null where a value must be
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            raise Unfit(_first_line(error)) from error
        except psycopg2.Error as error:
            self.close()
            raise Away(_first_line(error)) from error

    def close(self) -> None:
        """Safe to call again; the next ``take`` connects anew."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _copy(self, cursor: Any, kind: str, lines: bytes) -> int:
        if kind == OUTCOMES:
            cursor.copy_expert("COPY told FROM STDIN", BytesIO(lines), COPY_BYTES)
            cursor.execute(_OUTCOMES)
        else:
            cursor.copy_expert("COPY said FROM STDIN", BytesIO(lines), COPY_BYTES)
            cursor.execute(_DAYS)
            cursor.execute(_PREDICTIONS)
        return int(cursor.rowcount)

    def _connected(self) -> Any:
        import psycopg2

        if self._connection is None:
            options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c client_encoding=UTF8"
            self._connection = psycopg2.connect(
                self._url,
                connect_timeout=CONNECT_SECONDS,
                application_name="serving recorder",
                options=options,
                **SOCKET,
            )
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(_PREPARE)
        return self._connection


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
