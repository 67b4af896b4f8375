"""A stack on which rollouts happen: Postgres, MLflow, whose data are there, two replicas, and drivers to be stopped."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import requests
from embedded.stack import Stack
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from outages import kill
from programs import TOKEN, Replica, until
from stoppable_driver import MODEL, Driver, Order
from trainer.data.warehouse import connect
from trainer.registry.champion import CHAMPION, PROMPT, Registry
from trainer.rollout.change import Rollout
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.proof import Proof
from trainer.rollout.reconciliation import reconcile
from trainer.rollout.replica import HttpReplica
from trainer.rollout.replicas import find_replicas

BETWEEN_REQUESTS = 0.02
"""Seconds."""


@dataclass(frozen=True)
class RolloutStack:
    stack: Stack
    replicas: Sequence[Replica]
    worker: Mapping[str, str]
    """The environment in which flows run."""
    bundles: dict[str, Path]
    """Of the two versions, by number."""

    @property
    def registry(self) -> Registry:
        uri = self.stack.url("mlflow")
        return Registry(MlflowClient(uri, uri), MODEL, PROMPT)

    @contextmanager
    def ledger(self) -> Iterator[PostgresLedger]:
        with connect(self.stack.postgres.url("warehouse")) as connection:
            yield PostgresLedger(connection, MODEL)

    def newest(self) -> Rollout:
        with self.ledger() as ledger:
            return ledger.history(1)[0]

    @contextmanager
    def stopped(
        self, before: str, *, staying: Sequence[Replica] = (), tracking_uri: str = "", **order: Any
    ) -> Iterator[tuple[Driver, Order]]:
        """A rollout of the version that isn't champion, stopped before a step.

        Args:
            staying: Replicas that live on, all by default: they are asked for predictions until the block ends.
            tracking_uri: MLflow's, for the driver alone.
            order: More of ``Order``.
        """
        champion = self.registry.version_of(CHAMPION)
        assert champion is not None
        version = "2" if champion == "1" else "1"
        urls = [replica.url for replica in self.replicas]
        given = Order(before, champion, version, self.bundles[version], urls, **order)
        with ExitStack() as parts:
            for replica in staying or self.replicas:
                parts.enter_context(self._asked(replica))
            place = {"MLFLOW_TRACKING_URI": tracking_uri or self.stack.url("mlflow")}
            yield parts.enter_context(Driver({**self.worker, **place}, given)), given

    def kill(self, service: str) -> None:
        """SIGKILL to all its processes, as when its container is killed."""
        kill(self.stack, service)

    def start(self, service: str) -> None:
        self.stack.start([service])

    def reconcile(self) -> None:
        """As the schedule does it again and again."""

        def settled() -> bool:
            with suppress(psycopg2.OperationalError, MlflowException), self.ledger() as ledger:
                return reconcile(self.registry, ledger, self._clients)
            return False

        until(settled, 60, "the lock is free")

    def _clients(self) -> list[HttpReplica]:
        return [client for replica in self.replicas for client in find_replicas(replica.url, TOKEN)]

    def agree(self, version: str) -> bool:
        """Alias, all workers of both replicas, for good, and the ledger."""
        served = [replica.holds(version) for replica in self.replicas]
        with self.ledger() as ledger:
            told = ledger.latest_served(), ledger.under_way()
        return (
            self.registry.version_of(CHAMPION) == version
            and all(model is not None and _for_good(model) for model in served)
            and told == (version, [])
        )

    def await_agreement(self, version: str, seconds: float = 30) -> None:
        """Without anyone's help but the schedule's."""
        self.reconcile()
        until(lambda: self.agree(version), seconds, f"all agree on version {version}")

    @contextmanager
    def _asked(self, replica: Replica) -> Iterator[None]:
        """A thread asks a replica all the while; no answer is lost, and each is its version's own."""
        asker = Asker(replica, {version: Proof.of(version, folder) for version, folder in self.bundles.items()})
        asker.start()
        try:
            yield
        finally:
            asker.end()
        assert not asker.wrong, asker.wrong
        assert asker.answered > 0


def _for_good(model: dict[str, Any]) -> bool:
    return model["lease"] is None and len({worker["generation"] for worker in model["workers"]}) == 1


@dataclass(eq=False)
class Asker(threading.Thread):
    """Asks a replica the first golden row."""

    replica: Replica
    proofs: dict[str, Proof]
    answered: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._end = threading.Event()

    def run(self) -> None:
        row = dict(self.proofs["1"].rows[0])
        with requests.Session() as session:
            while not self._end.wait(BETWEEN_REQUESTS):
                try:
                    answer = session.post(f"{self.replica.url}/predict", json=row, timeout=10)
                    self._judge(answer)
                except requests.RequestException as error:
                    self.wrong.append(repr(error))

    def _judge(self, answer: requests.Response) -> None:
        if not answer.ok:
            self.wrong.append(f"{answer.status_code} {answer.text}")
            return
        body = answer.json()
        expected = self.proofs[body["model"]["version"]].predictions[0]
        if abs(body["prediction"] - expected) > 1e-4 * abs(expected):
            self.wrong.append(answer.text)
        self.answered += 1

    def end(self) -> None:
        self._end.set()
        self.join()
