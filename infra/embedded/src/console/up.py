"""``make up``: the compose stack from nothing to its first prediction."""

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from console import docker
from console.choices import Choices
from console.following import follow
from console.prediction import ask, show
from console.runs import Runs
from console.terminal import Terminal
from console.web import Refused, WebError, answers, call
from console.whereabouts import PORTS, Whereabouts, compose, demo, setting

INTERVAL = 0.5
PATIENCE = 180.0
"""Seconds for a service that nothing else is waited for."""


class NoModel(Exception):
    """No training is under way, and yet there is nothing to serve."""


class PortsTaken(Exception):
    """Other programs listen where the stack is to."""

    def __init__(self, taken: Sequence[str]) -> None:
        way_out = (
            "`make demo-down` stops the demo, which is up; or"
            if (place := demo()) and place.up
            else "stop what listens there, or"
        )
        super().__init__(f"taken: {', '.join(taken)}; {way_out} choose other ports in .env")


def up(terminal: Terminal) -> None:
    """Builds and starts the stack, and waits until it predicts; with the model of USECASE, if that is given.

    Raises:
        DockerFailed, RunFailed, NoModel, WebError: what went wrong; services in trouble have been shown.
        PortsTaken: nothing was begun.
    """
    docker.check()
    if chosen := Choices.read(os.environ).usecase:
        os.environ["SERVING_MODEL_NAME"] = chosen
    check_ports()
    terminal.heading("Images and containers")
    try:
        docker.compose("up", "--detach", "--build", "--remove-orphans")
        place = compose()
        terminal.heading("First model")
        wait_for_model(place, f"train/{setting('SERVING_MODEL_NAME')}", terminal)
        show(ask(place.serving), place.serving, terminal)
    except (docker.DockerFailed, WebError, NoModel):
        show_trouble(terminal)
        raise
    place.show(terminal)


def check_ports() -> None:
    """Before minutes of building. Raises PortsTaken, unless it is this stack itself that has them."""
    if any(container.state == "running" for container in docker.containers()):
        return
    taken = [f"port {setting(name)} ({name})" for name in PORTS if not _is_free(int(setting(name)))]
    if taken:
        raise PortsTaken(taken)


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def wait_for_model(place: Whereabouts, training: str, terminal: Terminal) -> None:
    """Follows trainings until the service has a model.

    Args:
        training: the deployment whose runs bring it.

    Raises:
        RunFailed, NoModel, WebError: there won't be one.
    """
    runs, followed = Runs(place.prefect_api), set[str]()
    begun = time.monotonic()
    while not answers(f"{place.serving}/health/ready"):
        run = runs.newest(training)
        if run and run not in followed:
            followed.add(run)
            follow(runs, run, terminal)
            begun = time.monotonic()
        elif time.monotonic() - begun > PATIENCE:
            raise NoModel(reason(place))
        terminal.waiting(["the service's model"])
        time.sleep(INTERVAL)


def reason(place: Whereabouts) -> str:
    """Why the service isn't ready, in its own words."""
    try:
        return str(call(f"{place.serving}/health/ready"))
    except Refused as refusal:
        return refusal.body


def show_trouble(terminal: Terminal) -> None:
    """Names the services that aren't well, with the end of their logs."""
    try:
        troubled = [container for container in docker.containers() if container.in_trouble]
        for container in troubled:
            terminal.failed(
                container.service, f"{container.state} {container.health} (exit code {container.exit_code})"
            )
            terminal.quote(f"docker compose logs {container.service}", docker.log(container.service))
    except docker.DockerFailed as error:
        terminal.failed("docker", str(error))
