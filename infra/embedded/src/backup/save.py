"""Writing a backup of a stack that runs."""

from pathlib import Path

from backup.folder import private, writing
from backup.stacks import DATABASES, Stack, release

ARTIFACTS = "artifacts.tar"
KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
"""The secret that reads what stands in a database; all others belong to the stack, not to its data."""


def save(stack: Stack, target: Path, commit: str) -> None:
    """Writes a backup; the stack goes on.

    The databases come first, each as of one moment. Artifacts are written before what names them, and never changed: so
    all that the databases name is among them.

    Args:
        stack: its database runs.
        target: see ``writing``.
        commit: of the stack's code.

    Raises:
        BackupError: nothing was written.
    """
    with writing(target, commit, release(stack)) as folder:
        for database in DATABASES:
            with private(folder / f"{database}.dump") as out:
                stack.postgres("pg_dump", "--format=custom", f"--dbname={database}").run(stdout=out)
        with private(folder / ARTIFACTS) as out:
            stack.artifacts("--create", "--file=-", ".").run(stdout=out)
        with private(folder / KEY) as out:
            out.write(stack.secret(KEY))
