"""The Docker stack, for its backup."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from backup.stacks import Command

ARTIFACTS = "/var/lib/mlflow"


class ComposeStack:
    """The services of docker-compose.yml in this folder.

    Args:
        options: of ``docker compose``, such as another file of variables.
        image: of PostgreSQL; empty for the file's.
    """

    kind = "compose"

    def __init__(self, *options: str, image: str = "") -> None:
        self._options = options
        self._environment = {**os.environ, "POSTGRES_IMAGE": image} if image else None

    def with_image(self, image: str) -> "ComposeStack":
        """The same, with another image of PostgreSQL."""
        return ComposeStack(*self._options, image=image)

    def stop(self) -> None:
        self._compose("--profile", "*", "stop").run()

    def in_volume(self, program: str, *arguments: str) -> Command:
        """A program in a container that has the database's volume, while the database is stopped."""
        return self._compose("run", "--rm", "-T", "--no-deps", "--entrypoint", program, "postgres", *arguments)

    def postgres(self, program: str, *arguments: str) -> Command:
        return self._compose("exec", "-T", "postgres", program, "--username=postgres", *arguments)

    def artifacts(self, *arguments: str) -> Command:
        # tar says 1 where a file grew meanwhile: one of a run that isn't in the backup
        run = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "tar", "mlflow")
        return self._compose(*run, f"--directory={ARTIFACTS}", *arguments, fine=(0, 1))

    @contextmanager
    def running(self) -> Iterator[None]:
        self._compose("up", "--detach", "--wait", "postgres").run()
        yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.stop()
        try:
            with self.running():
                yield
        finally:
            self._compose("stop").run()

    def secret(self, name: str) -> bytes:
        return self._secrets("cat", name).run()

    def keep_secret(self, name: str, value: bytes) -> None:
        # beside it first: what is kept is never half written
        self._secrets("tee", f"{name}.new").run(stdin=value)
        self._secrets("mv", f"{name}.new", f"/secrets/kept/{name}").run()

    def _secrets(self, program: str, name: str, *more: str) -> Command:
        return self._compose("run", "--rm", "-T", "--entrypoint", program, "secrets", f"/secrets/kept/{name}", *more)

    def _compose(self, *arguments: str, fine: tuple[int, ...] = (0,)) -> Command:
        return Command(("docker", "compose", *self._options, *arguments), self._environment, fine)
