"""Data of an older PostgreSQL, brought over into the one that the compose stack runs now."""

import os
from pathlib import Path

from backup.compose import ComposeStack
from backup.errors import BackupError, NotEmpty, ToolFailed
from backup.restore import content, fill

VOLUME = "/var/lib/postgresql"
SCRIPT = Path("infra/postgres/set-aside")


def upgrade(stack: ComposeStack) -> str:
    """Dumps the old databases by the old release, loads them into the new one, and keeps the old folder in the volume.

    The stack is down before and afterwards. If it is interrupted, another call goes on.

    Returns:
        The old release.

    Raises:
        BackupError: there is nothing to upgrade, or a step failed; then the old data are where they were, or set aside.
    """
    stack.stop()
    old = _inside(stack, f"cat {VOLUME}/PG_VERSION 2>/dev/null || ls {VOLUME} | grep -x '[0-9]*' | sort -n | head -1")
    if not old or not (_inside(stack, f"ls {VOLUME}/PG_VERSION {VOLUME}/upgrade/complete 2>/dev/null || true")):
        raise BackupError("there is nothing to upgrade: the volume has no data of an older PostgreSQL")
    image = os.environ.get("OLD_POSTGRES_IMAGE") or f"postgres:{old}"
    stack.with_image(image).in_volume("bash", "-s").run(stdin=SCRIPT.read_bytes())
    with stack.alone():
        if found := content(stack):
            raise NotEmpty(found)
        fill(stack, lambda database, options: _load(stack, database, options), keep=False)
        stack.in_volume("rm", "-r", f"{VOLUME}/upgrade").run()
    return old


def _load(stack: ComposeStack, database: str, options: list[str]) -> None:
    stack.postgres("pg_restore", *options, f"{VOLUME}/upgrade/{database}.dump").run()


def _inside(stack: ComposeStack, script: str) -> str:
    try:
        return stack.in_volume("bash", "-c", script).run().decode().strip()
    except ToolFailed as error:
        raise BackupError(f"the database's volume can't be looked into: {error}") from error
