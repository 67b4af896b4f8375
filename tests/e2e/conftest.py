"""The compose stack from nothing, under a project name and ports of its own; gone again afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from console import docker
from console.following import follow
from console.runs import TRAINING, Runs
from console.terminal import Terminal
from console.web import WebError
from embedded import ports
from supply_chain import references

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("postgres", "prefect-server", "mlflow", "prefect-worker", "serving")
"""Those that keep running."""

T = TypeVar("T")

TAG = "e2e"
ORDERS_DB = "postgresql://reader:reads@postgres:5432/warehouse"
"""A database that use cases read from, as the worker reaches it."""
EXAMPLE_MONTHS = {"TRAINER_MONTHS": "2021-01", "TRAINER_HOLDOUT": "2021-02"}


def stand_ins() -> dict[str, str]:
    """By variable, images that this machine has built under a public name: they have no registry's digest."""

    def is_stand_in(image: str) -> bool:
        command = ["docker", "image", "inspect", "--format={{len .RepoDigests}}", image]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "0"

    return {one.variable: one.image for one in references.found(ROOT) if is_stand_in(one.image)}


class ComposeStack:
    """``docker compose`` on the checkout, with no file edited: what differs comes by the environment.

    Args:
        folder: has the folders ``usecases`` and ``data``.
    """

    def __init__(self, name: str = "roundhouse-e2e", folder: Path = ROOT) -> None:
        services = ("POSTGRES", "PREFECT", "MLFLOW", "SERVING")
        names = [f"{service}_PORT" for service in services] + [f"EDGE_{service}_PORT" for service in services[1:]]
        self._ports = {name: str(ports.choose()) for name in names}
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("TRAINER_", "SERVING_"))}
        project = {"COMPOSE_PROJECT_NAME": name, "ROUNDHOUSE_TAG": TAG}
        self._environment = {
            **inherited,
            "EDGE_ADDRESS": "127.0.0.1",
            **self._ports,
            **EXAMPLE_MONTHS,
            **project,
            **stand_ins(),
            "ROUNDHOUSE_USECASES": str(folder / "usecases"),
            "ROUNDHOUSE_DATA": str(folder / "data"),
            "ROUNDHOUSE_SOURCES": str(folder / "sources.env"),
        }
        self._folder = folder

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._ports[f'{service.upper()}_PORT']}"

    def port(self, variable: str) -> str:
        return self._ports[variable]

    @property
    def runs(self) -> Runs:
        return Runs(f"{self.url('prefect')}/api")

    def compose(self, *arguments: str) -> str:
        """Output of a compose command, which has to succeed."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # a .env of whoever develops here is none of the tests' business
        command = ["docker", "compose", "--env-file", os.devnull, *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What ``make`` runs of the console, on this stack."""
        return subprocess.run(
            [sys.executable, "-m", "console", target],
            cwd=ROOT,
            env={**self._environment, "COMPOSE_ENV_FILES": os.devnull, "STACK": "compose", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def declare(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """``make new`` or ``make check`` in the folder, which has no Python environment."""
        return subprocess.run(
            ["infra/use-case", command],
            cwd=self._folder,
            env={**self._environment, "COMPOSE_ENV_FILES": os.devnull, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def secret(self, service: str, name: str) -> str:
        """What a service was given to read."""
        return self.compose("exec", "-T", service, "cat", f"/run/roundhouse/{name}")

    def up(self) -> None:
        self.compose("up", "--detach", "--build")

    def down(self, *options: str) -> None:
        self.compose("--profile", "*", "down", "--remove-orphans", *options)

    def inspect(self, service: str) -> dict[str, Any]:
        """What Docker knows of a service's container."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(shown.stdout)[0]
        return found


def eventually(look: Callable[[], T], accept: Callable[[T], object], seconds: float) -> T:
    """Looks again and again until what it sees is accepted; what it saw then."""
    deadline = time.monotonic() + seconds
    while True:
        seen: object = None
        try:
            found = look()
            if accept(found):
                return found
            seen = found
        except WebError as error:
            seen = error
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s; last: {seen}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def images() -> str:
    """The tag of the stack's images, which have been built."""
    docker.check()
    ComposeStack().compose("build")
    return TAG


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, as a newcomer has it who has Docker and no Python; its use cases are the stack's."""
    folder = tmp_path_factory.mktemp("newcomer") / "checkout"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    (folder / "sources.env").write_text(f"ORDERS_DB={ORDERS_DB}\n")
    return folder


@pytest.fixture(scope="session")
def stack(checkout: Path) -> Iterator[ComposeStack]:
    """The stack, up."""
    docker.check()
    stack = ComposeStack(folder=checkout)
    stack.down("--volumes")  # of an earlier run that was cut short
    try:
        stack.up()
        yield stack
    except BaseException:
        print(stack.attempt("logs", "--no-color", "--tail=60").stdout)  # noqa: T201  (pytest shows it with the failure)
        raise
    finally:
        stack.down("--volumes")


@pytest.fixture(scope="session")
def trained(stack: ComposeStack) -> ComposeStack:
    """The stack, after the training that it starts by itself."""
    run = eventually(lambda: stack.runs.newest(TRAINING), lambda found: found is not None, seconds=60)
    assert run is not None
    follow(stack.runs, run, Terminal())
    return stack


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """Looks until what is seen is accepted: ``wait_until(look, accept, seconds=…)``."""
    return eventually
