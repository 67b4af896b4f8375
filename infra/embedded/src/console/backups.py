"""``make backup``, ``restore`` and ``upgrade``.

Variables: ``TO``, the folder to write, by default a new one in ``backups``; ``FROM``, the one to restore; ``OVER=yes``
restores into a stack that has something of its own; ``STACK`` says which one, ``demo`` or ``compose``.
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from backup import restore as restoring
from backup import upgrade as upgrading
from backup.compose import ComposeStack
from backup.errors import BackupError
from backup.save import save
from backup.stacks import Stack

from console import docker
from console.checkout import commit
from console.choices import BadChoice, Choices
from console.terminal import Terminal
from console.whereabouts import DEMO, find

OWN_PYTHON = Path(".venv/bin/python")
"""The demo's, which has what the demo is made of."""


def backup(terminal: Terminal) -> None:
    """Writes a backup of a stack that is up."""
    target = Path(os.environ.get("TO") or f"backups/{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}").expanduser()
    begun = time.monotonic()
    stack = stack_of(_chosen() or find().kind)
    with stack.running():
        save(stack, target, commit())
    size = sum(file.stat().st_size for file in target.iterdir()) / 1e6
    terminal.ready(f"backup of {stack.kind}", time.monotonic() - begun, f"{target}  {size:.1f} MB")
    terminal.text("  It has all data and a key: keep it where nobody else reads it.")


def restore(terminal: Terminal) -> None:
    """Brings a backup into a stack, which is down afterwards."""
    if not os.environ.get("FROM"):
        raise BadChoice("FROM", "", "a backup's folder, as `make backup` wrote it")
    source = Path(os.environ["FROM"]).expanduser()
    begun = time.monotonic()
    stack = stack_of(_chosen() or _likely())
    restoring.restore(stack, source, over=os.environ.get("OVER") == "yes")
    terminal.ready(f"restored into {stack.kind}", time.monotonic() - begun, str(source))
    terminal.text(f"  Start it: {'make demo' if stack.kind == 'demo' else 'docker compose up -d'}")


def upgrade(terminal: Terminal) -> None:
    """Brings the compose stack's data of an older PostgreSQL into the one that it runs now."""
    begun = time.monotonic()
    docker.check()
    old = upgrading.upgrade(ComposeStack())
    terminal.ready(f"PostgreSQL {old}'s data", time.monotonic() - begun, "brought over")
    terminal.text("  Start it: docker compose up -d. The old folder is kept; once all is well, remove it by")
    terminal.text(f"  docker compose exec postgres rm -r /var/lib/postgresql/{old}")


def stack_of(kind: str) -> Stack:
    """The stack of that kind in this folder. The demo's needs the demo's own interpreter."""
    if kind == "compose":
        docker.check()
        return ComposeStack()
    if Path(sys.prefix).resolve() != OWN_PYTHON.parents[1].resolve():
        if not OWN_PYTHON.exists():
            raise BackupError("the demo isn't installed here: `make demo` installs and starts it")
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), "-m", "console", *sys.argv[1:]])  # noqa: S606  (no shell)
    from backup.demo import DemoStack

    return DemoStack(DEMO)


def _chosen() -> str:
    return Choices.read({"STACK": os.environ.get("STACK", "")}).stack


def _likely() -> str:
    """Nothing has to be up to be restored into."""
    try:
        docker.check()
    except docker.DockerFailed:
        return "demo"
    return "compose"
