"""The whole loop for someone who watches: services, a training, a prediction."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg2
from console.checkout import commit
from console.choices import DEFAULT_USE_CASE, Choices, NoSuchUseCase
from console.following import follow
from console.prediction import ask, show
from console.runs import Runs
from console.terminal import Terminal
from console.up import wait_for_model
from console.whereabouts import Whereabouts, demo

from embedded.exclusive import exclusively
from embedded.services import BY_NAME
from embedded.stack import Stack


def has_champion(stack: Stack, model: str) -> bool:
    """Whether a model was ever promoted, however the last training ended; ``deploy`` has made the ledger.

    A champion of real trips is nobody's to replace by one of the generated ones, unasked.
    """
    with closing(psycopg2.connect(stack.postgres.url("warehouse"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM rollouts WHERE outcome = 'done' AND model = %s)", (model,))
        (found,) = cursor.fetchone() or (False,)
        return bool(found)


class Demo:
    """``make demo`` and ``make demo-down``.

    Args:
        folder: the stack's.
        environment: has make's variables, and the compose file's for who wants others than its defaults.
        terminal: of who watches.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], terminal: Terminal) -> None:
        self._folder = folder
        self._environment = environment
        self._terminal = terminal

    def run(self) -> None:
        """Starts what is down, predicts, and leaves the stack up; trains if that is asked for, or nothing is served."""
        choices = Choices.read(self._environment)
        with exclusively(self._folder, "`make demo`"):
            self._run(choices)

    def _run(self, choices: Choices) -> None:
        begun = time.monotonic()
        stack = self._stack(choices)
        self._terminal.heading("Services")
        # due before there is a worker, which finds it at its first look; MLflow, needed late, starts meanwhile
        stack.start(["deploy"])
        stack.stop_changed()
        runs = Runs(f"{stack.url('prefect-server')}/api")
        asked = choices != Choices(usecase=choices.usecase)
        wanted = asked or not has_champion(stack, choices.usecase or DEFAULT_USE_CASE)
        if wanted and not runs.knows(choices.training):
            raise NoSuchUseCase(choices.usecase)
        run = runs.start(choices.training, choices.parameters()) if wanted else None
        stack.start()
        place = self._place()
        if run is None:
            self._terminal.note("there is a model already: nothing is trained. `make train` trains")
        else:
            self._terminal.heading(f"Training: {place.prefect}/runs/flow-run/{run}")
            ended = follow(runs, run, self._terminal, stack.check)
            self._terminal.text(f"  {ended['state']['message']}")
        wait_for_model(place, choices.training, self._terminal)
        show(ask(place.serving), place.serving, self._terminal)
        place.show(self._terminal)
        self._terminal.text(
            f"\nDone in {time.monotonic() - begun:.0f} s. `make demo-down` stops it and keeps its data."
        )

    def down(self) -> None:
        """Stops the processes that the state records, and no others."""
        with exclusively(self._folder, "`make demo-down`"):
            stack = self._stack(Choices())
            if not stack.state.records:
                self._terminal.text("No demo runs here.")
                return
            stack.stop()
        self._terminal.text(f"Stopped. Data and logs are kept in {self._folder}.")

    def status(self) -> None:
        """Shows what runs, where, and how much memory it takes."""
        stack = self._stack(Choices())
        for name in [name for name in BY_NAME if name in stack.state.records]:
            process = stack.state.records[name].process
            gone = "ended" if BY_NAME[name].job else "not running"
            said = f"{process.memory() / 1e6:6.0f} MB   pid {process.pid}" if process.alive() else gone
            self._terminal.text(f"  {name:<16} {stack.state.ports.get(name, ''):>6}   {said}")

    def _stack(self, choices: Choices) -> Stack:
        # later runs, by schedule or by hand, start from what was chosen too
        chosen = {
            "SERVING_MODEL_NAME": choices.usecase or DEFAULT_USE_CASE,
            "TRAINER_SOURCE": "" if choices.of_table else choices.source,
            "TRAINER_TLC_LOCATION": choices.location,
            "TRAINER_MONTHS": "" if choices.of_table else choices.months,
            "TRAINER_HOLDOUT": "" if choices.of_table else choices.holdout,
        }
        variables = {**self._environment, **{name: value for name, value in chosen.items() if value}}
        # the demo starts a training of its own, with what was chosen
        variables |= {"TRAINER_FIRST_TRAINING": "false", "GIT_COMMIT": commit()}
        return Stack(self._folder, variables=variables, report=self._terminal)

    def _place(self) -> Whereabouts:
        place = demo(self._folder)
        assert place is not None, "a started stack has a state"
        return place
