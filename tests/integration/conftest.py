"""A real Postgres with the warehouse's schema, one database a test; a receiver of messages."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from embedded import postgres
from trainer.data.warehouse import Connection, connect
from webhooks import Messages, listening

ALEMBIC = Path(__file__).parents[2] / "infra/postgres/warehouse/alembic.ini"

Migrate = Callable[..., None]
MakeDatabase = Callable[..., str]

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    # its databases last for a test, and no test pulls the plug
    with postgres.temporary(fsync="off", full_page_writes="off", synchronous_commit="off") as server:
        yield server


@pytest.fixture(scope="session")
def make_database(server: postgres.Server) -> MakeDatabase:
    """``make_database()``: the URL of a database that the warehouse's own role owns, as in the stack."""

    def make(template: str = "template1") -> str:
        name = f"warehouse_{next(_numbers)}"
        with closing(psycopg2.connect(server.url("postgres"))) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(f"CREATE DATABASE {name} OWNER warehouse TEMPLATE {template}")
        return server.url("warehouse", name)

    return make


@pytest.fixture
def empty_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="session")
def migrate() -> Migrate:
    """``migrate(url, "upgrade", "head")`` runs Alembic as a deployment does, from a folder that isn't the project's."""

    def run(url: str, *command: str) -> None:
        arguments = [sys.executable, "-m", "alembic", "-c", str(ALEMBIC), *command]
        done = subprocess.run(
            arguments,
            env=os.environ | {"TRAINER_WAREHOUSE_URL": url},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def migrated(make_database: MakeDatabase, migrate: Migrate) -> str:
    """The name of a database that others are copied from: quicker than to migrate each."""
    url = make_database()
    migrate(url, "upgrade", "head")
    return url.rpartition("/")[2]


@pytest.fixture
def url(make_database: MakeDatabase, migrated: str) -> str:
    return make_database(migrated)


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url) as connection:
        yield connection


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, Messages]]:
    """A URL, and what is posted there."""
    with listening() as found:
        yield found
