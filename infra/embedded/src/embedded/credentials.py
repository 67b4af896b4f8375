"""Passwords, tokens and keys of an embedded stack, in its folder ``secrets``: made by the compose stack's script."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from embedded.errors import CommandFailed
from embedded.root import ROOT

SCRIPT = ROOT / "infra" / "secrets" / "make-secrets"
CHOSEN = ("SERVING_RELOAD_TOKEN", "SERVING_WEBHOOK_SECRET", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
"""What may be given instead of something random. The database's passwords are nobody's to choose here."""


def of(folder: Path, program: str) -> Path:
    """The folder that has what one program has to know."""
    return folder / "secrets" / program


def make(folder: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Makes what isn't there yet, below ``folder``, readable by its owner alone.

    Args:
        folder: the stack's.
        variables: ``CHOSEN`` ones are taken from here.

    Raises:
        CommandFailed: the script's own words.
    """
    target = folder / "secrets"
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = {name: variables[name] for name in CHOSEN if name in variables}
    env = {"PATH": os.environ["PATH"], **given, **_from_before(folder)}
    done = subprocess.run(["bash", SCRIPT, target], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(SCRIPT.name, done.returncode, done.stdout + done.stderr)
    (folder / "passwords.json").unlink(missing_ok=True)


def passwords(folder: Path) -> Mapping[str, str]:
    """The database's passwords by role, the superuser's too, once they have been made."""
    return {file.name: file.read_text() for file in of(folder, "postgres").iterdir() if not file.suffix}


def _from_before(folder: Path) -> dict[str, str]:
    """The passwords of a folder that an older version made."""
    file = folder / "passwords.json"
    if not file.exists():
        return {}
    kept: dict[str, str] = json.loads(file.read_text())
    return {"POSTGRES_PASSWORD" if role == "postgres" else f"{role.upper()}_DB_PASSWORD": kept[role] for role in kept}
