"""A service's command and environment in one folder: docker-compose.yml's, with this machine's places and ports."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console import dotenv

from embedded import credentials
from embedded.composition import programs
from embedded.ports import LOOPBACK
from embedded.root import ROOT
from embedded.services import BY_NAME

STACK = "ROUNDHOUSE_STACK"
"""Setting of the services that tell who asks which stack they are of."""

OWN_PREFIXES = (
    "ROUNDHOUSE_",
    "PREFECT_",
    "MLFLOW_",
    "TRAINER_",
    "SERVING_",
    "POSTGRES_",
    "PG",
    "PYTHONPATH",
    "COVERAGE_",
)
"""Variables of the caller's shell that reach a service only by way of docker-compose.yml."""

VOLUMES = ("trainer", "prefect", "mlflow", "serving")
"""Folders that stand for the compose file's volumes, which are there before a service is."""

TEMPORARY = "tmp"
"""Folder of what services need while they run; the machine's own is shared with other users, and may be full."""

SECRETS = {"deploy": "trainer", "prefect-worker": "trainer"}
"""Services that have the secrets of another name than their own."""

COMPOSE_FILE = ROOT / "docker-compose.yml"


def port_variable(name: str) -> str:
    """The compose file's variable for a service's port."""
    return f"{name.removesuffix('-server').upper()}_PORT"


@dataclass(frozen=True, slots=True)
class Program:
    """A command ready to be run."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it, with what is inherited."""
    digest: str
    """Changes with the command and with what the compose file says of the environment, not with the caller's shell."""


class Wiring:
    """Programs of the services in ``folder``.

    Args:
        folder: holds what volumes hold in the compose stack.
        port_of: port of every service that has one.
        variables: values of the compose file's other variables.
        identity: the stack's.
    """

    def __init__(self, folder: Path, port_of: Mapping[str, int], variables: Mapping[str, str], identity: str) -> None:
        self._folder = folder
        self._sources = Path(variables.get("ROUNDHOUSE_SOURCES") or ROOT / "sources.env")
        self._usecases = str(Path(variables.get("ROUNDHOUSE_USECASES") or ROOT / "usecases").absolute())
        self._port_of = port_of
        filled = {**variables, **{port_variable(name): str(port) for name, port in port_of.items()}}
        self._declared = programs(COMPOSE_FILE, self._places, filled)
        self._commit = variables.get("GIT_COMMIT", "")
        self._identity = {STACK: identity}

    def program(self, name: str) -> Program:
        declared = self._declared[name]
        own = {**declared.environment, "TMPDIR": str(self._folder / TEMPORARY), **self._differences(name)}
        command = tuple(_installed(part) if at == 0 else part for at, part in enumerate(declared.command))
        inherited = {key: text for key, text in os.environ.items() if not key.startswith(OWN_PREFIXES)}
        digest = hashlib.sha256(json.dumps([command, own], sort_keys=True).encode()).hexdigest()
        return Program(command, {**inherited, **own}, digest)

    def _places(self, service: str) -> dict[str, str]:
        """Host names and folders that exist only in the compose stack → what is there instead."""
        places = {
            f"{name}:{BY_NAME[name].port}": f"{LOOPBACK}:{port}"
            for name, port in self._port_of.items()
            if BY_NAME[name].port
        }
        places["0.0.0.0"] = LOOPBACK  # noqa: S104  (replaced, not listened on)
        places |= {f"/var/lib/{name}": str(self._folder / name) for name in VOLUMES}
        places["/run/roundhouse"] = str(credentials.of(self._folder, SECRETS.get(service, service)))
        places["/srv/roundhouse/usecases"] = self._usecases
        # the container's own
        places["/tmp/prefect-ui"] = str(self._folder / "prefect" / "ui")  # noqa: S108
        places["/tmp/serving"] = str(self._folder / TEMPORARY / "serving")  # noqa: S108
        return places

    def _differences(self, name: str) -> dict[str, str]:
        """What a service on a machine of its own needn't be told, or is told otherwise."""
        port = str(self._port_of.get(name, ""))
        # images have it built in
        commit = {"GIT_COMMIT": self._commit} if self._commit else {}
        differences = {
            "prefect-server": {"PREFECT_SERVER_API_PORT": port, **self._identity},
            "mlflow": {"MLFLOW_PORT": port, **self._identity},
            "serving": {"SERVING_PORT": port, **self._identity},
            "deploy": commit,
            "prefect-worker": {**dotenv.read(self._sources), "PREFECT_WORKER_WEBSERVER_PORT": port, **commit},
        }
        return differences.get(name, {})


def _installed(program: str) -> str:
    """The program of this very virtual environment."""
    return sys.executable if program == "python" else str(Path(sys.executable).with_name(program))
