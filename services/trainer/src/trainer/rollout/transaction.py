"""Brings a version to all replicas, to the alias and to the ledger, or to none of them.

The alias moves last. Until it has, what replicas serve is a lease: whatever becomes of this process, a replica falls
back by itself, and afterwards ``reconciliation`` reads off the alias how the rollout ended.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change
from trainer.rollout.errors import AlreadyChampion, ChampionChanged, NotServed
from trainer.rollout.parties import Aliases, FindReplicas, Ledger, Replica
from trainer.rollout.proof import Proof
from trainer.rollout.reconciliation import settle

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
"""Longer than any step between two renewals; and at most so long is an unfinished rollout served."""

Answer = TypeVar("Answer")


def roll_out(
    change: Change,
    proof: Proof,
    find_replicas: FindReplicas,
    aliases: Aliases,
    ledger: Ledger,
    wait_seconds: float,
    lease_seconds: float = LEASE_SECONDS,
) -> dict[str, float]:
    """Has every replica serve the version, proves it, and makes it champion.

    Args:
        proof: What the version must answer.
        find_replicas: Asked once the lock is held.
        wait_seconds: For another rollout of the model to end; 0 to be refused at once.
        lease_seconds: Within which replicas go back if this process dies.

    Returns:
        Seconds by step.

    Raises:
        RolloutInProgress, ChampionChanged, AlreadyChampion: nothing was begun.
        Refused, NotServed, Unavailable, or the registry's or warehouse's own error: everything is as it was.
    """
    with ledger.locked(wait_seconds):
        settle(aliases, ledger, find_replicas)
        _check_decision(change, aliases)
        attempt = _Attempt(change, proof, aliases, ledger, ledger.begin(change), lease_seconds)
        try:
            attempt.run(find_replicas)
        except BaseException as error:
            attempt.undo(f"{attempt.step}: {str(error) or type(error).__name__}")
            raise
        attempt.tell_success()
        return attempt.seconds


def _check_decision(change: Change, aliases: Aliases) -> None:
    champion = aliases.version_of(CHAMPION)
    if champion == change.to_version:
        raise AlreadyChampion(change.to_version)
    if champion != change.from_version:
        raise ChampionChanged(change.from_version, champion)


@dataclass
class _Attempt:
    """One rollout under way."""

    change: Change
    proof: Proof
    aliases: Aliases
    ledger: Ledger
    row: int
    lease_seconds: float
    replicas: Sequence[Replica] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    step: str = "find replicas"
    alias_touched: bool = False

    @property
    def version(self) -> str:
        return self.change.to_version

    def run(self, find_replicas: FindReplicas) -> None:
        self.replicas = find_replicas()
        with self._timed("stage"):
            self._check_digests(self._all(lambda replica: replica.stage(self.version)))
        with self._timed("swap"):
            generations = self._all(lambda replica: replica.swap(self.version, self.lease_seconds))
        with self._timed("verify"):
            self._renew()
            _each(self.replicas, generations, lambda replica, generation: replica.verify(self.proof, generation))
            self._renew()
        with self._timed("alias"):
            # a person may have moved it meanwhile, which counts
            _check_decision(self.change, self.aliases)
            # the registry may have kept this waiting while the lock was lost: then another rollout decides
            self.ledger.note(self.row, self.seconds)
            self.alias_touched = True
            self.aliases.give_alias(CHAMPION, self.version)
        with self._timed("fulfil"):
            self._all(lambda replica: replica.verify_fulfilled(self.version))

    def undo(self, failure: str) -> None:
        """Puts everything back; what can't be is logged, and comes right by the lease, the alias or reconciliation."""
        log.error("rollout of version %s failed, and is undone: %s", self.version, failure)
        # the alias first: a replica that gives up its lease follows it
        settled = self._put_alias_back()
        self._all(lambda replica: _attempted("abandon", lambda: replica.abandon(self.version)))
        if self.alias_touched:
            self._all(lambda replica: _attempted("follow", replica.follow))
        if settled:
            _attempted("ledger", lambda: self.ledger.finish(self.row, "failed", failure, self.seconds))

    def tell_success(self) -> None:
        """The rollout stands, also where the ledger can't be told: then reconciliation does it."""
        if _attempted("ledger", lambda: self.ledger.finish(self.row, "done", None, self.seconds)):
            log.info("version %s is champion, in %.1f s", self.version, sum(self.seconds.values()))

    def _put_alias_back(self) -> bool:
        """Whether it surely doesn't point to the version."""
        return not self.alias_touched or _attempted("alias", self._restore_champion)

    def _restore_champion(self) -> None:
        if self.aliases.version_of(CHAMPION) != self.version:
            return
        if self.change.from_version is None:
            self.aliases.take_alias(CHAMPION)
        else:
            self.aliases.give_alias(CHAMPION, self.change.from_version)

    def _renew(self) -> None:
        self._all(lambda replica: replica.renew(self.version, self.lease_seconds))

    def _all(self, ask: Callable[[Replica], Answer]) -> list[Answer]:
        return _each(self.replicas, self.replicas, lambda replica, _: ask(replica))

    def _check_digests(self, digests: Sequence[str]) -> None:
        for replica, digest in zip(self.replicas, digests, strict=True):
            if digest != self.proof.digest:
                raise NotServed(f"{replica} staged the bundle {digest}, not {self.proof.digest}")

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self.step, begun = step, time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - begun, 3)
        log.info("%s: %s replicas, %.1f s", step, len(self.replicas), self.seconds[step])
        # once the alias has moved, the ledger can't stop what it tells of
        if not self.alias_touched:
            # fails if the lock, which lies on the ledger's connection, has been lost
            self.ledger.note(self.row, self.seconds)


Given = TypeVar("Given")


def _each(replicas: Sequence[Replica], given: Sequence[Given], ask: Callable[[Replica, Given], Answer]) -> list[Answer]:
    """Asks all at once and waits for every answer, so that nothing is under way when a failure is undone."""
    with ThreadPoolExecutor(max_workers=max(len(replicas), 1)) as pool:
        asked = [pool.submit(ask, replica, value) for replica, value in zip(replicas, given, strict=True)]
    return [answer.result() for answer in asked]


def _attempted(what: str, act: Callable[[], object]) -> bool:
    """Whether it could be done; why not is in the log."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  (of any party; the others must be told all the same)
        log.warning("%s: %s", what, error)
        return False
    return True
