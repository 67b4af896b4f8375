"""Decisions on alarms, in a real PostgreSQL."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import psycopg2
import pytest
from trainer.data.warehouse import Connection, connect
from trainer.retraining.decision import Retraining
from trainer.retraining.history import PostgresRetrainings

HOUR = timedelta(hours=1)
ALARM = {"version": "3", "fields": {"trip_distance": 0.3}}
WANTED = {"months": "2023-01", "holdout_days": 7}


def decide(connection: Connection, cool_down: timedelta = HOUR, daily_limit: int = 9) -> Retraining:
    retrainings = PostgresRetrainings(connection, "trip-duration")
    return retrainings.decide("roundhouse.model.drifted", ALARM, WANTED, "a test", cool_down, daily_limit)


def outcomes(connection: Connection) -> list[str]:
    return [one.outcome for one in PostgresRetrainings(connection, "trip-duration").history()]


def age(connection: Connection, hours: int) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE retrainings SET decided_at = decided_at - make_interval(hours => %s)", (hours,))


def test_one_at_a_time_then_the_cool_down_then_the_limit(connection: Connection) -> None:
    retrainings = PostgresRetrainings(connection, "trip-duration")
    first = decide(connection)
    assert (first.outcome, retrainings.under_way()) == ("under way", first)
    assert "is under way" in decide(connection).reason

    retrainings.end(first.id, "refused", "not better")
    assert retrainings.under_way() is None
    assert "the cool-down is 1 h" in decide(connection).reason

    age(connection, 2)
    second = decide(connection, daily_limit=1)
    assert second.reason == "1 retrainings began within 24 hours, of at most 1"
    age(connection, 24)
    assert decide(connection, daily_limit=1).outcome == "under way"
    assert outcomes(connection) == ["under way", "held back", "held back", "held back", "refused"]


def test_of_two_alarms_at_once_one_begins_a_retraining(url: str) -> None:
    together = Barrier(4)

    def respond(_: int) -> str:
        with connect(url) as connection:
            together.wait()
            return decide(connection, cool_down=timedelta(0)).outcome

    with ThreadPoolExecutor(4) as pool:
        found: Sequence[str] = list(pool.map(respond, range(4)))

    assert sorted(found) == ["held back", "held back", "held back", "under way"]


def test_how_a_retraining_ended_is_said_once(connection: Connection) -> None:
    retrainings = PostgresRetrainings(connection, "trip-duration")
    begun = decide(connection)
    retrainings.end(begun.id, "promoted", "version 4: better")
    retrainings.end(begun.id, "failed", "its training ended as Crashed")

    (found,) = retrainings.history()
    assert (found.outcome, found.reason) == ("promoted", "version 4: better")


def test_the_table_itself_lets_no_second_one_be_under_way(connection: Connection) -> None:
    decide(connection)
    with pytest.raises(psycopg2.errors.UniqueViolation), connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO retrainings (model, cause, alarm, wanted, actor, outcome, reason)"
            " VALUES ('trip-duration', 'x', '{}', '{}', 'x', 'under way', 'x')"
        )
