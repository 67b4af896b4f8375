"""What was served when, why and by whose decision: the warehouse's table ``rollouts``."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from psycopg2.extras import Json

from trainer.data.transaction import Connection, transaction
from trainer.rollout.change import Change, Outcome, Rollout
from trainer.rollout.lock import exclusive

COLUMNS = "id, kind, from_version, to_version, actor, reason, gate, outcome, begun_at, steps, failure, ended_at"
"""In the order of ``_rollout``."""


@dataclass(frozen=True)
class PostgresLedger:
    """The rollouts of one model. The lock lies on the connection, and so does every write: without one, not the other.

    Every call raises psycopg2.Error where the warehouse can't be reached.
    """

    connection: Connection
    model: str

    def locked(self, wait_seconds: float) -> AbstractContextManager[None]:
        return exclusive(self.connection, self.model, wait_seconds)

    def begin(self, change: Change) -> int:
        return self._insert(change, "under way")

    def record(self, change: Change) -> None:
        self._insert(change, "done")

    def note(self, rollout: int, steps: Mapping[str, float]) -> None:
        self._write("UPDATE rollouts SET steps = %s WHERE id = %s", Json(dict(steps)), rollout)

    def finish(
        self, rollout: int, outcome: Outcome, failure: str | None, steps: Mapping[str, float] | None = None
    ) -> None:
        self._write(
            "UPDATE rollouts SET outcome = %s, failure = %s, steps = coalesce(%s, steps), ended_at = clock_timestamp()"
            " WHERE id = %s AND outcome = 'under way'",
            outcome,
            failure,
            None if steps is None else Json(dict(steps)),
            rollout,
        )

    def under_way(self) -> list[Rollout]:
        return self._read("outcome = 'under way' ORDER BY id")

    def history(self, most: int = 100) -> list[Rollout]:
        """The newest first."""
        return self._read("true ORDER BY id DESC LIMIT %s", most)

    def latest_served(self) -> str | None:
        found = self._read("outcome = 'done' ORDER BY id DESC LIMIT 1")
        return found[0].change.to_version if found else None

    def good_before(self, served: str | None) -> list[Rollout]:
        """What was served before ``served``, the last first, without what was rolled back from since.

        Without that exception two rollbacks in a row would end where they began.
        """
        return self._read(
            "outcome = 'done' AND to_version IS DISTINCT FROM %s AND NOT EXISTS ("
            "  SELECT FROM rollouts AS later WHERE later.model = rollouts.model AND later.id > rollouts.id"
            "  AND later.kind = 'rollback' AND later.outcome = 'done' AND later.from_version = rollouts.to_version"
            ") ORDER BY id DESC",
            served,
        )

    def _insert(self, change: Change, outcome: Outcome) -> int:
        with transaction(self.connection) as cursor:
            cursor.execute(
                "INSERT INTO rollouts"
                " (model, kind, from_version, to_version, actor, reason, gate, outcome, begun_at, ended_at)"
                " SELECT %s, %s, %s, %s, %s, %s, %s, %s, now, CASE WHEN %s THEN now END"
                " FROM clock_timestamp() AS now RETURNING id",
                (
                    self.model,
                    change.kind,
                    change.from_version,
                    change.to_version,
                    change.actor,
                    change.reason,
                    None if change.gate is None else Json(dict(change.gate)),
                    outcome,
                    outcome != "under way",
                ),
            )
            (identity,) = cursor.fetchone() or (0,)
            return int(identity)

    def _write(self, statement: str, *values: Any) -> None:
        with transaction(self.connection) as cursor:
            cursor.execute(statement, values)

    def _read(self, condition: str, *values: Any) -> list[Rollout]:
        with transaction(self.connection) as cursor:
            cursor.execute(
                f"SELECT {COLUMNS} FROM rollouts WHERE model = %s AND {condition}",  # noqa: S608  (texts of our own)
                (self.model, *values),
            )
            return [_rollout(row) for row in cursor]


def _rollout(row: tuple[Any, ...]) -> Rollout:
    identity, kind, before, after, actor, reason, gate, outcome, begun_at, steps, failure, ended_at = row
    change = Change(kind, before, after, actor, reason, gate)
    return Rollout(identity, change, outcome, begun_at, steps, failure, ended_at)
