"""DuckDB, which reads files and computes the expressions of a declaration."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY = "192MB"
"""What DuckDB takes at most; beyond it, it writes to the disk."""


@contextmanager
def opened(files: Iterable[Path] = (), spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that can read these files and nothing else of this machine.

    Args:
        spill: an existing folder for what doesn't fit into memory; without, it fails if more is needed.
    """
    allowed = [str(file) for file in files]
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # rows keep the order of their file
        "preserve_insertion_order": True,
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if spill is not None:
            connection.execute("SET temp_directory = $1", [str(spill)])
        else:
            connection.execute("SET temp_directory = ''")
        if allowed:
            connection.execute(f"SET allowed_paths = [{', '.join(map(text, allowed))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def identifier(name: str) -> str:
    """A name as SQL has it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def text(value: str) -> str:
    """A text as SQL has it."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
