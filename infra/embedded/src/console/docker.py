"""The docker command, as far as ``make up`` needs it."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from console import dotenv
from console.checkout import commit

PROJECT = "roundhouse"
"""The compose file's name of itself."""


class DockerFailed(Exception):
    """Docker, or compose, ended with an error; what it said has been shown."""


@dataclass(frozen=True, slots=True)
class Container:
    """A service's container."""

    service: str
    state: str
    health: str
    exit_code: int

    @property
    def in_trouble(self) -> bool:
        return (
            self.health == "unhealthy" or self.state == "restarting" or (self.state == "exited" and self.exit_code > 0)
        )


def project() -> str:
    """The stack's name for compose."""
    return {**dotenv.read(), **os.environ}.get("COMPOSE_PROJECT_NAME") or PROJECT


def check() -> None:
    """Raises DockerFailed, saying what is missing, unless compose can be used."""
    wanted = {"docker info": "is Docker installed, and does it run?", "docker compose version": "Compose v2 is missing"}
    for command, hint in wanted.items():
        try:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise DockerFailed(
                "there is no `docker` command; without Docker, `make demo` runs the same stack"
            ) from None
        if done.returncode:
            raise DockerFailed(f"`{command}` failed: {hint}\n{done.stderr.strip()}")


def compose(*arguments: str) -> None:
    """Runs docker compose with its output shown.

    Raises:
        DockerFailed: it ended with an error.
    """
    done = subprocess.run(["docker", "compose", *arguments], env=_environment(), check=False)
    if done.returncode:
        raise DockerFailed(f"docker compose {' '.join(arguments)} ended with {done.returncode}")


def containers() -> list[Container]:
    """All containers of the stack, also those that have ended."""
    listed = _output("compose", "ps", "--all", "--format", "json")
    # one object a line since Compose 2.21, one list before
    entries = json.loads(listed) if listed.startswith("[") else [json.loads(line) for line in listed.splitlines()]
    return [Container(entry["Service"], entry["State"], entry["Health"], entry["ExitCode"]) for entry in entries]


def log(service: str, lines: int = 25) -> list[str]:
    """The last lines that a service wrote."""
    return _output("compose", "logs", "--no-log-prefix", "--no-color", f"--tail={lines}", service).splitlines()


def has_volume(name: str) -> bool:
    """Whether the stack's volume of that name exists."""
    return bool(_output("volume", "ls", "--quiet", "--filter", f"name=^{project()}_{name}$"))


def copy_into(files: Sequence[Path], service: str, folder: str) -> None:
    """Copies files into a folder of a service's container."""
    for file in files:
        compose("cp", str(file), f"{service}:{folder}/{file.name}")


def _output(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerFailed(f"docker {' '.join(arguments)} ended with {done.returncode}\n{done.stderr.strip()}")
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    return {"GIT_COMMIT": commit(), **os.environ}
