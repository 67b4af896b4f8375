"""Which stack is up on this machine, and where its services are."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.place import Place

from console import docker, dotenv
from console.terminal import Terminal
from console.web import stack_at

DEMO = Path(".demo")
PORTS = {"POSTGRES_PORT": "5432", "PREFECT_PORT": "4200", "MLFLOW_PORT": "5000", "SERVING_PORT": "8000"}
"""The compose file's variables for the ports of this machine, with their defaults."""
SETTINGS = {**PORTS, "SERVING_MODEL_NAME": "trip-duration"}


class NoStack(Exception):
    """Neither kind of stack answers."""

    def __init__(self, others: Sequence[str] = ()) -> None:
        elsewhere = f" (another one answers at {' and '.join(others)})" if others else ""
        super().__init__(f"no stack of this folder is up{elsewhere}: start one by `make up` or `make demo`")


class TwoStacks(Exception):
    """Both kinds answer, and it isn't said which is meant."""

    def __init__(self) -> None:
        super().__init__("two stacks are up here: say which one by STACK=demo or STACK=compose")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Addresses of a stack's services, as this machine reaches them."""

    kind: str
    identity: str
    """What its services say that they are of."""
    prefect: str
    mlflow: str
    serving: str

    @property
    def prefect_api(self) -> str:
        return f"{self.prefect}/api"

    @property
    def up(self) -> bool:
        """Whether its Prefect server answers, and is this stack's: the port alone could be anyone's."""
        return stack_at(f"{self.prefect_api}/health") == self.identity

    @property
    def serves(self) -> bool:
        """Likewise the model service."""
        return stack_at(f"{self.serving}/health/live") == self.identity

    def show(self, terminal: Terminal) -> None:
        terminal.heading("Where to look")
        terminal.text(f"  Prefect   {self.prefect}          runs, deployments, schedules, artifacts")
        terminal.text(f"  MLflow    {self.mlflow}          experiments, registered models, aliases")
        terminal.text(f"  Service   {self.serving}/docs     the model's own API")


def demo(folder: Path = DEMO) -> Whereabouts | None:
    """The embedded stack that was started in a folder; None in a folder that is another one's copy."""
    try:
        state = json.loads((folder / "state.json").read_text())
        place, ports = Place.read(state), state["ports"]
        if place is None or not place.is_at(folder.resolve()):
            return None
        return _at("demo", place.identity, ports["prefect-server"], ports["mlflow"], ports["serving"])
    except (FileNotFoundError, KeyError):
        return None


def compose() -> Whereabouts:
    """The compose stack with the ports that the environment, .env or the defaults give."""
    ports = (setting(name) for name in ("PREFECT_PORT", "MLFLOW_PORT", "SERVING_PORT"))
    return _at("compose", f"compose-{docker.project()}", *ports)


def setting(name: str) -> str:
    """The value of one of ``SETTINGS``."""
    return {**dotenv.read(), **os.environ}.get(name) or SETTINGS[name]


def find(kind: str = "", *, service_alone: bool = False) -> Whereabouts:
    """The stack that is up.

    Args:
        kind: ``demo`` or ``compose``; empty for the only one.
        service_alone: its model service is enough.

    Raises:
        NoStack: none, or not that one.
        TwoStacks: both.
    """
    wanted = [place for place in (compose(), demo()) if place and kind in ("", place.kind)]
    up = [place for place in wanted if (place.serves if service_alone else place.up)]
    if not up:
        raise NoStack([place.prefect for place in wanted if stack_at(f"{place.prefect_api}/health") is not None])
    if len(up) > 1:
        raise TwoStacks
    return up[0]


def _at(kind: str, identity: str, *ports: object) -> Whereabouts:
    return Whereabouts(kind, identity, *(f"http://127.0.0.1:{port}" for port in ports))
