"""What a backup needs of a stack, of whichever kind."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from backup.errors import ToolFailed

DATABASES = ("mlflow", "warehouse", "prefect")
"""In the order in which they are saved: what the ledger in the warehouse tells of, the registry has by then."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program with all that it needs."""

    arguments: Sequence[str]
    environment: Mapping[str, str] | None = None
    """Of its own; None for the caller's."""
    fine: Sequence[int] = field(default=(0,))
    """Exit codes of success."""

    def run(self, *, stdin: IO[bytes] | bytes | None = None, stdout: IO[bytes] | None = None) -> bytes:
        """What it says, unless that goes to ``stdout``.

        Raises:
            ToolFailed: with what it complained of.
        """
        given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
        done = subprocess.run(
            [*self.arguments],
            env=None if self.environment is None else dict(self.environment),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            **given,
        )
        if done.returncode not in self.fine:
            raise ToolFailed(" ".join(self.arguments), done.stderr.decode(errors="replace"))
        return done.stdout or b""


class Stack(Protocol):
    """One stack's database, artifacts and secrets."""

    kind: str
    """``demo`` or ``compose``."""

    def postgres(self, program: str, *arguments: str) -> Command:
        """One of PostgreSQL's programs, as superuser of the running server."""

    def artifacts(self, *arguments: str) -> Command:
        """``tar`` in the folder of MLflow's artifacts."""

    def running(self) -> AbstractContextManager[None]:
        """At least the database runs."""

    def alone(self) -> AbstractContextManager[None]:
        """The database runs, and no service that would use it. Afterwards the stack is down, but for what it was."""

    def secret(self, name: str) -> bytes:
        """One that is kept."""

    def keep_secret(self, name: str, value: bytes) -> None:
        """Takes effect when services start the next time."""


def query(stack: Stack, database: str, statement: str) -> str:
    """The answer's only cell, or its lines."""
    program = stack.postgres(
        "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", f"--dbname={database}"
    )
    return program.run(stdin=statement.encode()).decode().strip()


def release(stack: Stack) -> int:
    """The major release of its PostgreSQL."""
    return int(query(stack, "postgres", "SELECT current_setting('server_version_num')::int / 10000"))
