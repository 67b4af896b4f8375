"""A rollout as a process of its own, which a test kills: ``killable_driver.py <warehouse URL> <step> <alias file>``.

The ledger is real. The replicas live in this process, since what they do without their driver is tested elsewhere; the
alias is a file, which outlives it.
"""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from trainer.data.warehouse import connect
from trainer.rollout.change import Change
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.proof import Proof
from trainer.rollout.transaction import roll_out

MODEL = "trip-duration"


@dataclass(frozen=True)
class AliasFile:
    """The alias ``champion``, as a file with a version's number."""

    path: Path

    def version_of(self, alias: str) -> str | None:
        return self.path.read_text()

    def give_alias(self, alias: str, version: str) -> None:
        self.path.write_text(version)

    def take_alias(self, alias: str) -> None:
        self.path.unlink()


@dataclass(frozen=True)
class StoppingReplica:
    """Does as it is told, and at one step says so and never answers."""

    stop_at: str

    def serves(self, version: str) -> bool:
        return False

    def stage(self, version: str) -> str:
        self._reached("stage")
        return "digest"

    def swap(self, version: str, lease_seconds: float) -> int:
        self._reached("swap")
        return 2

    def renew(self, version: str, lease_seconds: float) -> None:
        self._reached("renew")

    def abandon(self, version: str) -> None:
        self._reached("abandon")

    def follow(self) -> None:
        self._reached("follow")

    def verify(self, proof: Proof, generation: int) -> None:
        self._reached("verify")

    def verify_fulfilled(self, version: str) -> None:
        self._reached("fulfil")

    def _reached(self, step: str) -> None:
        if step == self.stop_at:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            threading.Event().wait()


def main() -> None:
    url, stop_at, alias = sys.argv[1:]
    with connect(url) as connection:
        roll_out(
            Change("promote", "7", "8", "a process", "to be killed"),
            Proof("8", "digest", [], []),
            lambda: [StoppingReplica(stop_at)],
            AliasFile(Path(alias)),
            PostgresLedger(connection, MODEL),
            0,
        )


if __name__ == "__main__":
    main()
