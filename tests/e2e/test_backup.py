"""Backup, restore and upgrade of the compose stack, each into a project of its own."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from console.prediction import ask

WaitUntil = Callable[..., Any]
OLD = "postgres:17"


@pytest.fixture
def other(stack: Any) -> Iterator[Any]:
    """Another stack of the same images, of which nothing is there."""
    other = type(stack)("roundhouse-e2e-other")
    other.down("--volumes")
    try:
        yield other
    finally:
        other.down("--volumes")


def psql(stack: Any, database: str, statement: str) -> str:
    answer: str = stack.compose(
        "exec", "-T", "postgres", "psql", "-U", "postgres", "-d", database, "-Atc", statement
    ).strip()
    return answer


def test_a_backup_brings_a_stack_back_on_another_machine(
    trained: Any, other: Any, tmp_path: Path, wait_until: WaitUntil
) -> None:
    ask(trained.url("serving"))
    count = "SELECT count(*) FROM predictions"
    wait_until(lambda: int(psql(trained, "warehouse", count)), lambda rows: rows > 0, seconds=30)
    kept = tmp_path / "kept"
    saved = trained.make("backup", TO=str(kept))
    assert saved.returncode == 0, saved.stdout
    assert json.loads((kept / "manifest.json").read_text())["postgres"] == 18
    refused = trained.make("backup", TO=str(kept))
    assert "never written over" in refused.stdout

    restored = other.make("restore", FROM=str(kept))
    assert restored.returncode == 0, restored.stdout
    other.compose("up", "--detach", "--wait", "mlflow", "serving", "prefect-server")
    answer = wait_until(lambda: ask(other.url("serving")), lambda _: True, seconds=60)
    assert answer.response["model"] == ask(trained.url("serving")).response["model"]
    assert psql(other, "warehouse", "SELECT count(*) FROM trips") == psql(
        trained, "warehouse", "SELECT count(*) FROM trips"
    )
    assert int(psql(other, "prefect", "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'")) > 0
    assert other.secret("postgres", "mlflow") != trained.secret("postgres", "mlflow")
    again = other.make("restore", FROM=str(kept))
    assert again.returncode == 1
    assert "registered models" in again.stdout


def test_data_of_postgresql_17_are_brought_over(other: Any) -> None:
    old = "docker", "run", "--detach", "--rm", "--network=none", "--env=POSTGRES_PASSWORD=old"
    volume = "--volume=roundhouse-e2e-other_postgres-data:/var/lib/postgresql/data"
    container = subprocess.run([*old, volume, OLD], capture_output=True, text=True, check=True).stdout.strip()
    try:
        for database in ("prefect", "mlflow", "warehouse"):
            in_old(container, f"CREATE ROLE {database} LOGIN PASSWORD 'old'")
            in_old(container, f"CREATE DATABASE {database} OWNER {database}")
        in_old(container, "CREATE ROLE serving LOGIN PASSWORD 'old'")
        table = "CREATE TABLE kept AS SELECT 42 AS answer; GRANT SELECT ON kept TO serving"
        in_old(container, f"SET ROLE warehouse; {table}", "warehouse")
    finally:
        subprocess.run(["docker", "stop", container], capture_output=True, check=True)

    refused = other.attempt("up", "--detach", "--wait", "postgres")
    assert refused.returncode != 0
    assert "has data of PostgreSQL 17" in other.compose("logs", "postgres")
    upgraded = other.make("upgrade")
    assert upgraded.returncode == 0, upgraded.stdout
    other.compose("up", "--detach", "--wait", "postgres")
    assert psql(other, "warehouse", "SELECT answer FROM kept") == "42"
    assert psql(other, "warehouse", "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'") == "warehouse"
    assert psql(other, "warehouse", "SELECT has_table_privilege('serving', 'kept', 'SELECT')") == "t"
    assert psql(other, "postgres", "SELECT current_setting('server_version_num')::int / 10000") == "18"
    assert other.compose("exec", "-T", "postgres", "cat", "/var/lib/postgresql/17/docker/PG_VERSION").strip() == "17"
    assert "nothing to upgrade" in other.make("upgrade").stdout


def in_old(container: str, statement: str, database: str = "postgres") -> None:
    """Runs it as superuser, once the server takes connections for good."""
    inside = ["docker", "exec", "--env=PGPASSWORD=old", "--env=PGHOST=127.0.0.1", "--env=PGUSER=postgres", container]
    subprocess.run([*inside, "sh", "-c", "until pg_isready -q; do sleep 0.1; done"], check=True, timeout=60)
    subprocess.run([*inside, "psql", "-d", database, "-c", statement], capture_output=True, check=True)
