"""Bringing a backup into a stack."""

from collections.abc import Callable
from pathlib import Path

from backup.errors import BackupError, NotEmpty
from backup.folder import check
from backup.save import ARTIFACTS, KEY
from backup.stacks import DATABASES, Stack, query, release

CONTENT = {
    ("mlflow", "registered_models"): "registered models",
    ("warehouse", "trips"): "loaded trips",
    ("warehouse", "table_loads"): "loaded tables",
    ("warehouse", "rollouts"): "a ledger of rollouts",
    ("warehouse", "predictions"): "recorded predictions",
}
"""What makes a stack one that isn't empty. Deployments and runs of the stack's own chores don't."""

DRAFT, BEFORE = "_restored", "_before"
"""What the names of databases end with while they are filled, and of those that were there."""

Load = Callable[[str, list[str]], None]
"""Runs ``pg_restore`` on a database's dump, with these options."""


def restore(stack: Stack, folder: Path, *, over: bool = False) -> None:
    """Makes a stack what it was when the backup was made; its own passwords stay.

    All databases take the place of those that are there at once, or none does.

    Args:
        stack: any state; its services are stopped.
        folder: the backup.
        over: also a stack that has something of its own, whose databases are kept as ``<name>_before``.

    Raises:
        BackupError: the stack has what it had; some files may lie among its artifacts that nothing names.
    """
    manifest = check(folder)

    def load(database: str, options: list[str]) -> None:
        with (folder / f"{database}.dump").open("rb") as dump:
            stack.postgres("pg_restore", *options).run(stdin=dump)

    with stack.alone():
        major = release(stack)
        if manifest.postgres > major:
            raise BackupError(
                f"the backup is PostgreSQL {manifest.postgres}'s, and the stack's is older, {major}: it can't read it"
            )
        found = content(stack)
        if found and not over:
            raise NotEmpty(found)
        # before the databases: files that no row names do no harm, rows without their files do
        with (folder / ARTIFACTS).open("rb") as archive:
            stack.artifacts("--extract", "--file=-", "--no-same-owner").run(stdin=archive)
        fill(stack, load, keep=bool(found))
        # last: a stack that keeps its own data keeps the key that reads them
        stack.keep_secret(KEY, (folder / KEY).read_bytes())


def content(stack: Stack) -> str:
    """What a stack has of its own; empty if nothing."""
    return ", ".join(said for (database, table), said in CONTENT.items() if _has_rows(stack, database, table))


def fill(stack: Stack, load: Load, *, keep: bool) -> None:
    """Databases made of dumps take the place of those that are there: all, or none.

    Args:
        stack: nothing but the database runs.
        load: given the options of where to, and as whom.
        keep: those that were there stay as ``<name>_before``; else they are dropped.
    """
    for database in DATABASES:
        draft = f"{database}{DRAFT}"
        query(stack, "postgres", f"DROP DATABASE IF EXISTS {draft}")
        query(stack, "postgres", f"CREATE DATABASE {draft} OWNER {database} TEMPLATE template0")
        query(stack, "postgres", f"REVOKE ALL ON DATABASE {draft} FROM PUBLIC")
        load(database, [f"--dbname={draft}", "--no-owner", f"--role={database}", "--single-transaction"])
    query(stack, "postgres", f"GRANT CONNECT, TEMPORARY ON DATABASE warehouse{DRAFT} TO serving")
    for database in DATABASES:
        query(stack, "postgres", f"DROP DATABASE IF EXISTS {database}{BEFORE}")
    swaps = [(f"{one}{old}", f"{one}{new}") for one in DATABASES for old, new in (("", BEFORE), (DRAFT, ""))]
    renames = "".join(f"ALTER DATABASE {old} RENAME TO {new};" for old, new in swaps)
    query(stack, "postgres", f"BEGIN; {renames} COMMIT")
    if not keep:
        for database in DATABASES:
            query(stack, "postgres", f"DROP DATABASE {database}{BEFORE}")


def _has_rows(stack: Stack, database: str, table: str) -> bool:
    there = query(stack, database, f"SELECT to_regclass('{table}') IS NOT NULL") == "t"
    return there and query(stack, database, f"SELECT EXISTS (SELECT FROM {table})") == "t"  # noqa: S608  (of CONTENT)
