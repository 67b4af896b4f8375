"""Those that take part in a rollout, as its driver sees them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from trainer.rollout.change import Change, Outcome, Rollout
from trainer.rollout.proof import Proof


class Replica(Protocol):
    """One replica of the model service.

    Every call raises Refused where the replica won't, and Unavailable where it can't be reached.
    """

    def stage(self, version: str) -> str:
        """Has the version downloaded, checked and loaded aside by every worker; the bundle's digest."""

    def swap(self, version: str, lease_seconds: float) -> int:
        """All workers serve the version for as long as the lease lasts; the generation."""

    def renew(self, version: str, lease_seconds: float) -> None:
        """The lease lasts for so long from now."""

    def abandon(self, version: str) -> None:
        """Back to what was served before the lease; no harm where there is none."""

    def follow(self) -> None:
        """Looks at the alias now; a lease on what that points to is fulfilled."""

    def verify(self, proof: Proof, generation: int) -> None:
        """Raises NotServed unless every worker serves the version, and answers as it should."""

    def serves(self, version: str) -> bool:
        """Whether every worker serves the version."""

    def verify_fulfilled(self, version: str) -> None:
        """Raises NotServed unless the version is served without a lease; waits for as long as a poll takes."""


FindReplicas = Callable[[], Sequence[Replica]]
"""All that there are at the moment of asking. Raises Unavailable if there are none."""


class Aliases(Protocol):
    """Which version of the model the registry's aliases name."""

    def version_of(self, alias: str) -> str | None: ...

    def give_alias(self, alias: str, version: str) -> None:
        """Sets it over: there is no moment without it."""

    def take_alias(self, alias: str) -> None: ...


class Ledger(Protocol):
    """The rollouts of one model."""

    def locked(self, wait_seconds: float) -> AbstractContextManager[None]:
        """One rollout at a time.

        Raises:
            RolloutInProgress: another still holds the lock after so many seconds.
        """

    def begin(self, change: Change) -> int:
        """Writes a row that is under way; its id. Needs the lock."""

    def note(self, rollout: int, steps: Mapping[str, float]) -> None:
        """Writes how long the steps so far took. Raises if the lock has been lost."""

    def finish(
        self, rollout: int, outcome: Outcome, failure: str | None, steps: Mapping[str, float] | None = None
    ) -> None:
        """Ends a row; with no steps, those noted before stay."""

    def record(self, change: Change) -> None:
        """Writes a row of something that is done already."""

    def under_way(self) -> list[Rollout]: ...

    def latest_served(self) -> str | None:
        """The version that the latest rollout brought; None without one."""
