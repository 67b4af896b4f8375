"""Postgres goes away in the middle of a migration: what it had done is undone, and the next start does it all."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from embedded import postgres
from programs import until

pytestmark = pytest.mark.thorough

ALEMBIC = Path(__file__).parents[3] / "infra/postgres/warehouse/alembic.ini"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


def ask(url: str, query: str) -> int:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        (found,) = cursor.fetchone() or (0,)
        return int(found)


def test_a_migration_that_loses_its_connection_has_done_nothing_and_can_be_run_again(
    server: postgres.Server, empty_url: str, migrate: Callable[..., None]
) -> None:
    database = empty_url.rpartition("/")[2]
    others = f"FROM pg_stat_activity WHERE datname = '{database}'"
    # a migration waits for this lock in its middle: its first tables are there, as it sees them
    with closing(psycopg2.connect(server.url(postgres.SUPERUSER, database))) as holder, holder.cursor() as cursor:
        cursor.execute("CREATE TABLE outcomes (x int)")
        command = [sys.executable, "-m", "alembic", "-c", str(ALEMBIC), "upgrade", "head"]
        running = subprocess.Popen(
            command, env=os.environ | {"TRAINER_WAREHOUSE_URL": empty_url}, cwd="/", stderr=subprocess.DEVNULL
        )
        waiting = f"SELECT count(*) {others} AND wait_event_type = 'Lock'"
        until(lambda: ask(server.url(postgres.SUPERUSER), waiting), 60, "the migration is in its middle")
        ask(
            server.url(postgres.SUPERUSER),
            f"SELECT count(pg_terminate_backend(pid)) {others} AND wait_event_type = 'Lock'",
        )
        assert running.wait(30) != 0
        holder.rollback()
    assert ask(empty_url, TABLES) == 0
    migrate(empty_url, "upgrade", "head")
    assert ask(empty_url, TABLES) > 5
