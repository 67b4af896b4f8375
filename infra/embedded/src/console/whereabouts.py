"""Which stack is up on this machine, and where its services are."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from console import dotenv
from console.terminal import Terminal
from console.web import answers

DEMO = Path(".demo")
PORTS = {"POSTGRES_PORT": "5432", "PREFECT_PORT": "4200", "MLFLOW_PORT": "5000", "SERVING_PORT": "8000"}
"""The compose file's variables for the ports of this machine, with their defaults."""


class NoStack(Exception):
    """Neither kind of stack answers."""

    def __init__(self) -> None:
        super().__init__("no stack is up here: start one by `make up` or `make demo`")


class TwoStacks(Exception):
    """Both kinds answer, and it isn't said which is meant."""

    def __init__(self) -> None:
        super().__init__("two stacks are up here: say which one by STACK=demo or STACK=compose")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Addresses of a stack's services, as this machine reaches them."""

    kind: str
    prefect: str
    mlflow: str
    serving: str

    @property
    def prefect_api(self) -> str:
        return f"{self.prefect}/api"

    def show(self, terminal: Terminal) -> None:
        terminal.heading("Where to look")
        terminal.text(f"  Prefect   {self.prefect}          runs, deployments, schedules, artifacts")
        terminal.text(f"  MLflow    {self.mlflow}          experiments, registered models, aliases")
        terminal.text(f"  Service   {self.serving}/docs     the model's own API")


def demo(folder: Path = DEMO) -> Whereabouts | None:
    """The embedded stack of a folder, if its processes run: the ports alone could be anyone's by now."""
    try:
        state = json.loads((folder / "state.json").read_text())
        ports, processes = state["ports"], state["processes"]
        if not all(_runs(processes[name]["pid"]) for name in ("prefect-server", "serving")):
            return None
    except (FileNotFoundError, KeyError):
        return None
    return _at("demo", ports["prefect-server"], ports["mlflow"], ports["serving"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def compose() -> Whereabouts:
    """The compose stack with the ports that the environment, .env or the defaults give."""
    return _at("compose", *(setting(name) for name in ("PREFECT_PORT", "MLFLOW_PORT", "SERVING_PORT")))


def setting(port: str) -> str:
    """The value of one of ``PORTS``."""
    return {**dotenv.read(), **os.environ}.get(port) or PORTS[port]


def find(kind: str = "") -> Whereabouts:
    """The stack that is up.

    Args:
        kind: ``demo`` or ``compose``; empty for the only one.

    Raises:
        NoStack: none, or not that one.
        TwoStacks: both.
    """
    # a demo that has the usual ports isn't the compose stack too
    distinct = {place.prefect: place for place in (compose(), demo()) if place}.values()
    up = [place for place in distinct if kind in ("", place.kind) and answers(f"{place.prefect_api}/health")]
    if not up:
        raise NoStack
    if len(up) > 1:
        raise TwoStacks
    return up[0]


def _at(kind: str, *ports: object) -> Whereabouts:
    return Whereabouts(kind, *(f"http://127.0.0.1:{port}" for port in ports))
