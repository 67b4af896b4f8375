"""A real Postgres of its own for a folder."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from embedded import binaries, postgres
from embedded.accounts import Account

pytestmark = pytest.mark.thorough


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    postgres.remove(tmp_path)


def ask(url: str, query: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone() if cursor.description else None


def test_a_role_sees_its_own_database_and_no_other(folder: Path) -> None:
    server = postgres.start(folder)
    try:
        for role in postgres.DATABASES:
            assert ask(server.url(role), "SELECT current_user, current_database()") == (role, role)
            for other in {*postgres.DATABASES, "postgres", "template1"} - {role}:
                with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                    ask(server.url(role, other), "SELECT 1")
    finally:
        server.stop()


def test_a_wrong_password_is_refused(folder: Path) -> None:
    server = postgres.start(folder)
    try:
        wrong = server.url("warehouse").replace(server.passwords["warehouse"], "wrong")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            ask(wrong, "SELECT 1")
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another user")
def test_whoever_makes_files_that_nobody_else_may_read_gets_a_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "system", lambda *_: [])
    # as below root's home: the package is copied to where its user gets
    reaches = Account.reaches
    hidden = "site-packages"
    monkeypatch.setattr(Account, "reaches", lambda self, path: hidden not in path.parts and reaches(self, path))
    before = os.umask(0o077)
    try:
        server = postgres.start(folder)
        server.stop()
    finally:
        os.umask(before)


def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    first = postgres.start(folder)
    ask(first.url("warehouse"), "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    assert not first.process.alive()
    second = postgres.start(folder)
    try:
        assert second.passwords == first.passwords
        assert ask(second.url("warehouse"), "SELECT answer FROM kept") == (42,)
    finally:
        second.stop()


def test_a_first_start_that_was_cut_short_is_made_again(folder: Path) -> None:
    first = postgres.start(folder)
    first.stop()
    (first.home / "ready").unlink()
    second = postgres.start(folder)
    try:
        assert ask(second.url("mlflow"), "SELECT 1") == (1,)
    finally:
        second.stop()


def test_a_folder_of_a_version_that_had_fewer_databases_gets_the_others(folder: Path) -> None:
    first = postgres.start(folder)
    with closing(psycopg2.connect(first.url(postgres.SUPERUSER))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("DROP DATABASE prefect")
        cursor.execute("DROP ROLE prefect")
    first.stop()
    kept = {role: password for role, password in first.passwords.items() if role != "prefect"}
    shutil.rmtree(folder / "secrets")
    (folder / "passwords.json").write_text(json.dumps(kept))  # where such a version kept them
    second = postgres.start(folder)
    try:
        assert ask(second.url("prefect"), "SELECT current_user") == ("prefect",)
        assert second.passwords.items() >= kept.items()
    finally:
        second.stop()


def test_removing_leaves_no_data_behind(folder: Path) -> None:
    server = postgres.start(folder)
    server.stop()
    assert server.home.exists()
    postgres.remove(folder)
    assert not server.home.exists()
    assert not (folder / "postgres").is_symlink()
