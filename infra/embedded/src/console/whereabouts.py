"""Which stack is up on this machine, and where its services are."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from console import dotenv
from console.terminal import Terminal
from console.web import answers

DEMO = Path(".demo")


class NoStack(Exception):
    """Neither kind of stack answers."""

    def __init__(self) -> None:
        super().__init__("no stack is up here: start one by `make up` or `make demo`")


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
    settings = {**dotenv.read(), **os.environ}
    return _at(
        "compose",
        settings.get("PREFECT_PORT") or "4200",
        settings.get("MLFLOW_PORT") or "5000",
        settings.get("SERVING_PORT") or "8000",
    )


def find() -> Whereabouts:
    """The stack that is up; the demo, if both are.

    Raises:
        NoStack: none.
    """
    for candidate in (demo(), compose()):
        if candidate and answers(f"{candidate.prefect_api}/health"):
            return candidate
    raise NoStack


def _at(kind: str, *ports: object) -> Whereabouts:
    return Whereabouts(kind, *(f"http://127.0.0.1:{port}" for port in ports))
