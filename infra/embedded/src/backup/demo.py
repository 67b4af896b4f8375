"""The embedded stack, for its backup."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import binaries, credentials, postgres
from embedded.exclusive import exclusively
from embedded.ports import LOOPBACK
from embedded.stack import Stack

from backup.stacks import Command


class DemoStack:
    """The services of one folder as local processes."""

    kind = "demo"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = Stack(folder)

    def postgres(self, program: str, *arguments: str) -> Command:
        folder, server = self._stack.folder, self._stack.postgres
        environment = {
            "PATH": os.environ["PATH"],
            "PGHOST": LOOPBACK,
            "PGPORT": str(server.port),
            "PGUSER": postgres.SUPERUSER,
            "PGPASSWORD": server.passwords[postgres.SUPERUSER],
        }
        programs = binaries.choose((folder / "postgres").resolve() / "data").folder
        return Command((str(programs / program), *arguments), environment)

    def artifacts(self, *arguments: str) -> Command:
        return Command(("tar", f"--directory={self._stack.folder / 'mlflow'}", *arguments), fine=(0, 1))

    @contextmanager
    def running(self) -> Iterator[None]:
        with exclusively(self._folder, "`make backup`"), self._up():
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        with exclusively(self._folder, "`make restore`"):
            self._stack.stop()
            with self._up():
                yield

    @contextmanager
    def _up(self) -> Iterator[None]:
        was_up = self._stack.state.running("postgres") is not None
        self._stack.start(["postgres"])
        try:
            yield
        finally:
            if not was_up:
                self._stack.stop()

    def secret(self, name: str) -> bytes:
        return (credentials.of(self._stack.folder, "kept") / name).read_bytes()

    def keep_secret(self, name: str, value: bytes) -> None:
        file = credentials.of(self._stack.folder, "kept") / name
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_bytes(value)
        draft.replace(file)
