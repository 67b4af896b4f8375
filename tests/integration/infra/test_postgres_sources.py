"""A real Postgres by each of its sources, the system's and the package's."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from embedded import binaries, postgres
from embedded.binaries import Binaries, OtherRelease

pytestmark = pytest.mark.thorough


@pytest.fixture(params=["system", "package"])
def source(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Binaries:
    """The only one that is there; of the system any release, also one that our own queries are too new for."""
    monkeypatch.setattr(binaries, "OLDEST", 14)
    found = binaries.packaged() if request.param == "package" else binaries.system()
    if not found:
        pytest.skip(f"this machine has no PostgreSQL of the {request.param}'s")
    monkeypatch.setattr(binaries, "packaged" if request.param == "system" else "system", lambda *_: [])
    record_property("path", f"postgres: {binaries.choose(None).major} of the {request.param}")
    return binaries.choose(None)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    postgres.remove(tmp_path)


def ask(url: str, query: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone() if cursor.description else None


def test_it_has_databases_migrations_the_extension_and_our_collation(
    source: Binaries, folder: Path, migrate: Callable[..., None]
) -> None:
    server = postgres.start(folder)
    try:
        assert ask(server.url("warehouse"), "SELECT current_setting('server_version_num')::int / 10000") == (
            source.major,
        )
        migrate(server.url("warehouse"), "upgrade", "head")
        ask(server.url("prefect"), "CREATE EXTENSION pg_trgm")
        ordered = "SELECT array_agg(text ORDER BY text) FROM unnest(ARRAY['ä', 'b', 'Z', 'a']) AS text"
        assert ask(server.url("prefect"), ordered) == (["Z", "a", "b", "ä"],)
        assert ask(server.url("prefect"), "SELECT lower('Ä'), 'Ä' ILIKE 'ä'") == ("ä", True)
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            ask(server.url("prefect", "mlflow"), "SELECT 1")
    finally:
        server.stop()


def test_data_are_found_again_and_refused_by_another_release(
    source: Binaries, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = postgres.start(folder)
    ask(first.url("warehouse"), "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    other = Binaries(source.folder, source.major + 1)
    with monkeypatch.context() as patched:
        patched.setattr(binaries, "system", lambda *_: [other])
        patched.setattr(binaries, "packaged", list)
        with pytest.raises(OtherRelease, match=f"are PostgreSQL {source.major}'s"):
            postgres.start(folder)
    second = postgres.start(folder)
    try:
        assert ask(second.url("warehouse"), "SELECT answer FROM kept") == (42,)
    finally:
        second.stop()
