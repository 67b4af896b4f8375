"""A rollout as a process of its own, on a running stack, which a test stops between two steps and kills or lets go on.

It has the environment of the stack's worker. Processes are forked from one that has imported what they need, since that
takes longer than a rollout.
"""

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import httpx
from trainer.flows.outside import ledger, prompt_registry, settings
from trainer.registry.champion import Registry
from trainer.rollout.change import Change, Outcome
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.proof import Proof
from trainer.rollout.replica import HttpReplica
from trainer.rollout.transaction import LEASE_SECONDS, roll_out

MODEL = "trip-duration"

FORKED = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Order:
    """What to roll out, and before which step to stop: stage, swap, verify, alias, fulfil or finish."""

    stop_before: str
    champion: str
    version: str
    bundle: Path
    """Folder with the version's files."""
    replicas: Sequence[str]
    """Their URLs."""
    lease_seconds: float = LEASE_SECONDS


@dataclass(frozen=True)
class Ending:
    failure: str | None
    seconds: float
    """Since it was told to go on."""


class Driver:
    """A driver's process, as the test sees it."""

    def __init__(self, environment: Mapping[str, str], order: Order) -> None:
        FORKED.set_forkserver_preload(["trainer.flows.outside", "trainer.rollout.transaction"])
        self._order = order
        self._line, its = FORKED.Pipe()
        self._process = FORKED.Process(target=drive, args=(its, dict(environment), order))
        self._process.start()
        its.close()

    def __enter__(self) -> Self:
        assert self._line.recv() == self._order.stop_before
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._line.close()

    def go_on(self) -> Ending:
        """To its end."""
        self._line.send("go on")
        ending = self._line.recv()
        assert isinstance(ending, Ending)
        return ending

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@dataclass
class Stop:
    """The one stop of a rollout."""

    before: str
    line: "Connection[object, object]"
    went_on: float = 0.0

    def reached(self, step: str) -> None:
        if step == self.before and not self.went_on:
            self.line.send(step)
            self.line.recv()
            self.went_on = time.monotonic()


NEXT = {"stage": "swap", "swap": "verify", "verify": "alias"}


@dataclass(frozen=True)
class StoppingLedger(PostgresLedger):
    stop: Stop

    def note(self, rollout: int, steps: Mapping[str, float]) -> None:
        super().note(rollout, steps)
        self.stop.reached(NEXT[list(steps)[-1]])

    def finish(
        self, rollout: int, outcome: Outcome, failure: str | None, steps: Mapping[str, float] | None = None
    ) -> None:
        self.stop.reached("finish")
        super().finish(rollout, outcome, failure, steps)


@dataclass(frozen=True)
class StoppingAliases:
    registry: Registry
    stop: Stop

    def version_of(self, alias: str) -> str | None:
        return self.registry.version_of(alias)

    def give_alias(self, alias: str, version: str) -> None:
        self.registry.give_alias(alias, version)
        self.stop.reached("fulfil")

    def take_alias(self, alias: str) -> None:
        self.registry.take_alias(alias)


def drive(line: "Connection[object, object]", environment: Mapping[str, str], order: Order) -> None:
    """The process: says before which step it stops, waits to be told to go on, and says how it ended."""
    os.environ.update(environment)
    stop = Stop(order.stop_before, line)
    failure = None
    try:
        _roll_out(order, stop)
    except Exception as error:  # noqa: BLE001  (the test judges it)
        failure = f"{type(error).__name__}: {error}"
    line.send(Ending(failure, time.monotonic() - stop.went_on))


def _roll_out(order: Order, stop: Stop) -> None:
    token = settings().serving_reload_token.get_secret_value()

    def find_replicas() -> list[HttpReplica]:
        stop.reached("stage")
        return [HttpReplica(httpx.URL(url), "127.0.0.1", token) for url in order.replicas]

    with ledger(MODEL) as rollouts:
        roll_out(
            Change("promote", order.champion, order.version, "a process", "to be stopped"),
            Proof.of(order.version, order.bundle),
            find_replicas,
            StoppingAliases(prompt_registry(MODEL), stop),
            StoppingLedger(rollouts.connection, MODEL, stop),
            0,
            order.lease_seconds,
        )
