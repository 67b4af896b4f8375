"""Why a backup can't be made, or can't be restored."""

from pathlib import Path


class BackupError(Exception):
    """Says what is wrong and what to do; nothing was changed unless it says so."""


class BadBackup(BackupError):
    """A folder isn't a whole backup."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} is no backup that can be restored: {reason}")


class NotEmpty(BackupError):
    """The stack to restore into has something of its own."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the stack isn't empty: it has {found}. OVER=yes restores all the same, and keeps its databases under "
            "other names; or start from nothing: `docker compose down --volumes`, or for the demo, remove .demo"
        )


class ToolFailed(BackupError):
    """A program ended with an error, which ``said`` explains."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"{command} failed: {said.strip() or 'it says nothing'}")
