"""Decisions on alarms: the warehouse's table ``retrainings``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg2.extras import Json

from trainer.data.transaction import Connection, Cursor, transaction
from trainer.retraining.decision import A_DAY, Outcome, Refusal, Retraining, may_retrain

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('retrainings:' || %s, 0))"

BEGUN = "the limits allow it"


@dataclass(frozen=True)
class PostgresRetrainings:
    """The retrainings of one model. Every call raises psycopg2.Error where the warehouse can't be reached."""

    connection: Connection
    model: str

    def decide(
        self,
        cause: str,
        alarm: Mapping[str, Any],
        wanted: Mapping[str, Any],
        actor: str,
        cool_down: timedelta,
        daily_limit: int,
    ) -> Retraining:
        """Writes down whether an alarm begins a retraining. Of several at once one is first, and the others see it."""
        with transaction(self.connection) as cursor:
            cursor.execute(LOCK, (self.model,))
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone() or (None,)
            history = self._since(cursor, now - max(cool_down, A_DAY))
            refusal = may_retrain(history, now, cool_down, daily_limit)
            return self._insert(cursor, cause, alarm, wanted, actor, refusal, now)

    def end(self, retraining: int, outcome: Outcome, reason: str) -> None:
        """What has ended already stays as it is."""
        with transaction(self.connection) as cursor:
            cursor.execute(
                "UPDATE retrainings SET outcome = %s, reason = %s, ended_at = clock_timestamp()"
                " WHERE id = %s AND outcome = 'under way'",
                (outcome, reason, retraining),
            )

    def under_way(self) -> Retraining | None:
        with transaction(self.connection) as cursor:
            cursor.execute(f"{SELECT} AND outcome = 'under way'", (self.model,))
            row = cursor.fetchone()
            return None if row is None else Retraining(*row)

    def history(self) -> list[Retraining]:
        """The newest first."""
        with transaction(self.connection) as cursor:
            cursor.execute(f"{SELECT} ORDER BY id DESC", (self.model,))
            return [Retraining(*row) for row in cursor]

    def _since(self, cursor: Cursor, moment: datetime) -> list[Retraining]:
        cursor.execute(f"{SELECT} AND (decided_at > %s OR outcome = 'under way')", (self.model, moment))
        return [Retraining(*row) for row in cursor]

    def _insert(
        self,
        cursor: Cursor,
        cause: str,
        alarm: Mapping[str, Any],
        wanted: Mapping[str, Any],
        actor: str,
        refusal: Refusal | None,
        now: datetime,
    ) -> Retraining:
        outcome: Outcome = "held back" if refusal else "under way"
        reason = refusal.reason if refusal else BEGUN
        cursor.execute(
            "INSERT INTO retrainings (model, cause, alarm, wanted, actor, outcome, reason, decided_at, ended_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (
                self.model,
                cause,
                Json(dict(alarm)),
                Json(dict(wanted)),
                actor,
                outcome,
                reason,
                now,
                now if refusal else None,
            ),
        )
        (identity,) = cursor.fetchone() or (0,)
        return Retraining(int(identity), outcome, reason, now)


SELECT = "SELECT id, outcome, reason, decided_at FROM retrainings WHERE model = %s"
