"""Predictions and outcomes in the warehouse: how many there are, how long they are kept. The service writes them."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql

from trainer.data.errors import DataError
from trainer.data.transaction import Connection, transaction

LOCK_TIMEOUT = "5s"
"""For a day's partition: whoever waits for it holds all up that write predictions."""


EXPECTED_SHARE = 0.25
"""Of the days that there are, that may go at once. A day goes each day; a clock that is wrong takes them all."""


class TooMuchToDrop(DataError):
    """Retention would drop more than a wrong clock, or a wrong setting, should be able to."""

    def __init__(self, old: Sequence[date], there: int, today: date) -> None:
        super().__init__(
            f"{len(old)} of {there} days of predictions would be dropped, {old[0]} to {old[-1]}, for today is {today} "
            "by the database's clock. Nothing was. If that is right, run it with drop_much; if not, mend the clock or "
            "the setting"
        )


def count_between(connection: Connection, model: str, since: datetime, until: datetime) -> int:
    """Answers of the service from one moment to another, both with offset."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT count(*) FROM predictions WHERE model = %s AND at BETWEEN %s AND %s AND role = 'champion'",
            (model, since, until),
        )
        (found,) = cursor.fetchone() or (0,)
        return int(found)


def judged_pairs(
    connection: Connection, model: str, champion: str, challenger: str, since: datetime
) -> NDArray[np.float64]:
    """What two versions said of the same requests, and what came true.

    Args:
        since: Both had been made by then; what is older is of others of their numbers.

    Returns:
        Shape (n, 3), in the order of the requests: the outcome, the champion's prediction, the challenger's.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT one.actual, one.prediction, other.prediction FROM judged AS one"
            " JOIN predictions AS other ON other.id = one.id AND other.at = one.at AND other.role = 'challenger'"
            " WHERE one.role = 'champion' AND one.model = %s AND one.version = %s AND other.version = %s"
            " AND one.at >= %s ORDER BY one.at, one.id",
            (model, champion, challenger, since),
        )
        return np.array(cursor.fetchall(), np.float64).reshape(-1, 3)


def prediction_days(connection: Connection) -> list[date]:
    """Days (UTC) that have a partition, in order."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'predictions'::regclass")
        found = [re.fullmatch(r"predictions_(\d{4}_\d\d_\d\d)", name) for (name,) in cursor]
        return sorted(datetime.strptime(each[1], "%Y_%m_%d").date() for each in found if each)


def database_day(connection: Connection) -> date:
    """Today, in UTC, by the database's clock: a worker's may be anything, and there may be many workers."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        (found,) = cursor.fetchone() or (None,)
        assert isinstance(found, date)
        return found


def drop_older(connection: Connection, today: date, days: int, *, much: bool = False) -> list[date]:
    """Drops the partitions of days before the last so many, with the outcomes of their predictions; the days.

    Each day goes as a whole, or stays.

    Args:
        today: In UTC; it counts as one of the days and is never dropped.
        days: At least 1.
        much: Also if that is more than is usual at once.

    Raises:
        TooMuchToDrop: it is, and it wasn't said that this is meant; nothing is gone.
        psycopg2.errors.LockNotAvailable: somebody reads predictions for long; the days up to then are gone.
    """
    oldest = today - timedelta(days=max(days, 1) - 1)
    there = prediction_days(connection)
    old = [day for day in there if day < oldest]
    if not much and len(old) > max(1, EXPECTED_SHARE * len(there)):
        raise TooMuchToDrop(old, len(there), today)
    for day in old:
        _drop(connection, day)
    return old


def _drop(connection: Connection, day: date) -> None:
    partition = sql.Identifier(f"predictions_{day:%Y_%m_%d}")
    with transaction(connection) as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        cursor.execute(sql.SQL("DELETE FROM outcomes USING {} AS old WHERE prediction_id = old.id").format(partition))
        cursor.execute(sql.SQL("DROP TABLE {}").format(partition))
