"""Rows of a PostgreSQL database as a file, from which they go the way of all others."""

import os
import re
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg2

from trainer.data.errors import DataError, SourceUnavailable
from trainer.usecase.declaration import Files, Query

AS_CSV = Files(files="", missing=[""])
"""How the file is to be read."""

EVER = datetime(1, 1, 1)
AFTER_ALL = datetime(9999, 12, 31)

PARAMETER = re.compile(r"(?<!:):(start|end)\b")
CONNECT_SECONDS = 10


class NoUrl(DataError):
    """The environment doesn't have the database's URL."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"the environment has no {variable}, which a source names: put it into sources.env")


class QueryRefused(DataError):
    """The database doesn't take the query."""


def fetch(source: Query, since: datetime | None, into: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Runs the query, in a transaction that can only read, and streams its rows into a file.

    Args:
        since: what ``:start`` is; None for everything.
        into: an existing folder.
        environment: has the database's URL; this process's by default.

    Raises:
        NoUrl, QueryRefused: no later try will do better.
        SourceUnavailable: the database can't be reached.
    """
    url = (os.environ if environment is None else environment).get(source.url)
    if not url:
        raise NoUrl(source.url)
    target = into / "query.csv"
    try:
        with (
            closing(
                psycopg2.connect(url, connect_timeout=CONNECT_SECONDS, application_name="roundhouse")
            ) as connection,
            target.open("wb") as file,
        ):
            connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
            with connection.cursor() as cursor:
                # a query has signs of percent of its own
                text = PARAMETER.sub(r"%(\1)s", source.query.strip().rstrip(";").replace("%", "%%"))
                bound = cursor.mogrify(text, {"start": since or EVER, "end": AFTER_ALL}).decode()
                cursor.copy_expert(f"COPY ({bound}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')", file)
    except psycopg2.OperationalError as error:
        raise SourceUnavailable(source.url, 1, _first_line(error)) from None
    except psycopg2.Error as error:
        raise QueryRefused(f"the query of {source.url}: {_first_line(error)}") from None
    return target


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
