"""Monitorings in the warehouse: the tables ``monitorings``, ``measurements`` and ``counted``."""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extras import execute_values

from trainer.data.transaction import Connection, transaction
from trainer.monitoring.monitoring import Monitoring
from trainer.monitoring.traffic import Counts, Series


@dataclass(frozen=True)
class Journal:
    """Of one model. Every call raises psycopg2.Error where the warehouse can't be reached."""

    connection: Connection
    model: str

    def last_counts(self) -> tuple[datetime, dict[Series, float]] | None:
        """What each replica had counted when it was last asked, and when any was."""
        with transaction(self.connection) as cursor:
            cursor.execute(
                "SELECT DISTINCT ON (replica, counter, label, status) at, replica, counter, label, status, value"
                " FROM counted JOIN monitorings ON id = monitoring_id WHERE model = %s"
                " ORDER BY replica, counter, label, status, id DESC",
                (self.model,),
            )
            found = cursor.fetchall()
        if not found:
            return None
        return max(at for at, *_ in found), {Series(*series): value for _, *series, value in found}

    def write(self, monitoring: Monitoring, counts: Counts, run_id: str | None) -> Monitoring:
        """The monitoring with its id.

        Args:
            counts: what the replicas have counted by now; empty if they couldn't be asked.
            run_id: MLflow's.
        """
        with transaction(self.connection) as cursor:
            cursor.execute(
                "INSERT INTO monitorings"
                " (model, version, since, until, rows, outcomes, verdict, alarms, message, terms, run_id)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (
                    monitoring.model,
                    monitoring.version,
                    monitoring.window.since,
                    monitoring.window.until,
                    monitoring.rows,
                    monitoring.outcomes,
                    monitoring.verdict,
                    len(monitoring.alarms),
                    "; ".join([monitoring.message, *monitoring.notes]),
                    monitoring.terms.model_dump_json(),
                    run_id,
                ),
            )
            (identity,) = cursor.fetchone() or (0,)
            execute_values(
                cursor,
                "INSERT INTO measurements"
                " (monitoring_id, kind, name, measure, value, expected, threshold, p_value, alarm) VALUES %s",
                [
                    (identity, m.kind, m.name, m.measure, m.value, m.expected, m.threshold, m.p_value, m.alarm)
                    for m in monitoring.measurements
                ],
            )
            execute_values(
                cursor,
                "INSERT INTO counted (monitoring_id, replica, counter, label, status, value) VALUES %s",
                [(identity, s.replica, s.counter, s.label, s.status, value) for s, value in counts.items()],
            )
        return monitoring.model_copy(update={"id": int(identity)})
