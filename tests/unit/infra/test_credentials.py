"""The stack's secrets: random, made once, each program's own, and nobody else's to read."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from embedded import credentials, postgres
from embedded.errors import CommandFailed

PROGRAMS = ("prefect-server", "mlflow", "trainer", "serving")


def kept(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in credentials.of(folder, "kept").iterdir()}


def test_each_is_random_and_stays(tmp_path: Path) -> None:
    for stack in ("one", "other"):
        credentials.make(tmp_path / stack)
    first = kept(tmp_path / "one")
    assert len(set(first.values())) == len(first)
    assert all(len(secret) >= 44 for secret in first.values())
    assert not set(first.values()) & set(kept(tmp_path / "other").values())
    credentials.make(tmp_path / "one")
    assert kept(tmp_path / "one") == first


def test_a_key_is_one_for_mlflow(tmp_path: Path) -> None:
    credentials.make(tmp_path)
    key = Fernet((credentials.of(tmp_path, "mlflow") / "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY").read_text())
    assert key.decrypt(key.encrypt(b"secret")) == b"secret"


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    credentials.make(tmp_path)
    for path in (tmp_path / "secrets").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_program_has_what_it_has_to_know_and_no_more(tmp_path: Path) -> None:
    credentials.make(tmp_path)
    files = {name: {file.name for file in credentials.of(tmp_path, name).iterdir()} for name in PROGRAMS}
    orders = {"SERVING_RELOAD_TOKEN", "SERVING_WEBHOOK_SECRET"}
    assert files == {
        "prefect-server": {"pgpass"},
        "mlflow": {"pgpass", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"},
        "trainer": {"pgpass"} | orders,
        "serving": {"pgpass"} | orders,
    }
    for role, password in credentials.passwords(tmp_path).items():
        knowing = {name for name in PROGRAMS if password in (credentials.of(tmp_path, name) / "pgpass").read_text()}
        assert len(knowing) == (role != postgres.SUPERUSER)


def test_what_is_given_is_taken_from_then_on(tmp_path: Path) -> None:
    credentials.make(tmp_path)
    credentials.make(tmp_path, {"SERVING_RELOAD_TOKEN": "mine", "SERVING_WEBHOOK_SECRET": ""})
    credentials.make(tmp_path)
    for program in ("trainer", "serving"):
        assert (credentials.of(tmp_path, program) / "SERVING_RELOAD_TOKEN").read_text() == "mine"
        assert (credentials.of(tmp_path, program) / "SERVING_WEBHOOK_SECRET").read_text() == ""


def test_a_password_may_have_any_characters_in_the_file_of_logins(tmp_path: Path) -> None:
    environment = {"WAREHOUSE_DB_PASSWORD": r"a:b\c d'$x", "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", credentials.SCRIPT, tmp_path], env=environment, check=True)
    assert (tmp_path / "trainer" / "pgpass").read_text() == r"*:*:*:warehouse:a\:b\\c d'$x"


def test_a_secret_of_two_lines_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="SERVING_RELOAD_TOKEN has more than one line"):
        credentials.make(tmp_path, {"SERVING_RELOAD_TOKEN": "a\nb"})


def test_a_key_that_mlflow_cannot_use_is_refused_by_its_name(tmp_path: Path) -> None:
    credentials.make(tmp_path)
    before = kept(tmp_path)
    with pytest.raises(CommandFailed, match="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY isn't 32 bytes"):
        credentials.make(tmp_path, {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "short"})
    assert kept(tmp_path) == before


def test_passwords_of_an_older_version_s_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "passwords.json").write_text(json.dumps({"postgres": "p", "mlflow": "m"}))
    credentials.make(tmp_path)
    found = credentials.passwords(tmp_path)
    assert (found["postgres"], found["mlflow"]) == ("p", "m")
    assert set(found) == {postgres.SUPERUSER, *postgres.ROLES}
    assert not (tmp_path / "passwords.json").exists()
