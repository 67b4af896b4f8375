"""``python -m console up|train|…``: the Makefile's targets for a stack that is up, or is to be."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from backup.errors import BackupError

from console import backups, docker
from console.choices import BadChoice, Choices, NoSuchUseCase
from console.docker import DockerFailed
from console.following import RunFailed, follow
from console.history import read as read_history
from console.history import show as show_history
from console.prediction import ask, show
from console.runs import DEPLOYING, REPLAY, Runs
from console.terminal import Terminal
from console.up import NoModel, PortsTaken, up
from console.web import WebError
from console.whereabouts import DEMO, NoStack, TwoStacks, Whereabouts, find

GIVEN = "/var/lib/trainer/given"
"""Where files of this machine are copied to in the compose stack: the worker can't see this machine's folders. It may
read data from there whatever the settings say."""


def train(terminal: Terminal) -> None:
    """Runs the training deployment of the stack that is up, and follows it."""
    choices = Choices.read(os.environ)
    if choices.of_table:
        runs = Runs(find(choices.stack).prefect_api)
        # as the folder is now: the use case may have been added, or changed, since the stack's start
        follow(runs, runs.start(DEPLOYING, {}), terminal)
        if not runs.knows(choices.training):
            raise NoSuchUseCase(choices.usecase)
    _run(choices.training, "Training", Choices.parameters, terminal)


def replay(terminal: Terminal) -> None:
    """Has months of the past happen again on the stack that is up, and follows it."""
    _run(REPLAY, "Replay", Choices.of_replay, terminal)


def _run(
    deployment: str, title: str, parameters: Callable[[Choices, str | None], dict[str, object]], terminal: Terminal
) -> None:
    choices = Choices.read(os.environ)
    parameters(choices, None)  # a choice that can't be is said before anything is copied
    place = find(choices.stack)
    location = _hand_over(choices, place)
    runs = Runs(place.prefect_api)
    run = runs.start(deployment, parameters(choices, location))
    terminal.heading(f"{title} on the {place.kind} stack: {place.prefect}/runs/flow-run/{run}")
    ended = follow(runs, run, terminal)
    terminal.text(f"\n{ended['state']['message']}")


def predict(terminal: Terminal) -> None:
    """Shows a prediction of the stack that is up."""
    place = find(Choices.read(os.environ).stack, service_alone=True)
    show(ask(place.serving), place.serving, terminal)


def history(terminal: Terminal) -> None:
    """Shows what was served when, why and by whose decision."""
    place = find(Choices.read(os.environ).stack, service_alone=True)
    show_history(read_history(place.serving), place.kind, terminal)


def _hand_over(choices: Choices, place: Whereabouts) -> str | None:
    if choices.folder is None:
        return None
    if place.kind == "demo":
        return str(link(choices.folder, DEMO))
    docker.compose("cp", f"{choices.folder}/.", f"prefect-worker:{GIVEN}")
    return GIVEN


def link(data: Path, demo: Path) -> Path:
    """A link to the data's folder where the demo's worker may read: only who has this machine's files can make one."""
    name = f"{data.name}-{hashlib.sha256(bytes(data)).hexdigest()[:8]}"
    given = demo.resolve() / "trainer" / "given" / name
    given.parent.mkdir(parents=True, exist_ok=True)
    if not given.is_symlink():
        given.symlink_to(data)
    return given


COMMANDS: dict[str, Callable[[Terminal], None]] = {
    "up": up,
    "train": train,
    "replay": replay,
    "predict": predict,
    "history": history,
    "backup": backups.backup,
    "restore": backups.restore,
    "upgrade": backups.upgrade,
}


EXPECTED = (
    *(BackupError, BadChoice, DockerFailed, NoModel, NoStack, NoSuchUseCase, OSError),
    *(PortsTaken, RunFailed, TwoStacks, WebError),
)
"""What can be wrong, and says so."""


WATCHED = "no longer watching; what was started goes on: cancel it in Prefect, at the address above"
INTERRUPTED = {
    "backup": "interrupted: there is no backup",
    "restore": "interrupted: the stack has what it had, or all of the backup",
    "upgrade": "interrupted: called again, it goes on",
}


def main() -> int:
    """Exit code 0, or 1 with what went wrong on the terminal."""
    terminal = Terminal()
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        terminal.text(f"usage: python -m console {'|'.join(COMMANDS)}")
        return 2
    try:
        COMMANDS[sys.argv[1]](terminal)
    except EXPECTED as error:
        terminal.failed(sys.argv[1], str(error))
        return 1
    except KeyboardInterrupt:
        terminal.text(f"\n{INTERRUPTED.get(sys.argv[1], WATCHED)}")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
