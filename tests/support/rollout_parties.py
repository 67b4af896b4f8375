"""Replicas, registry and ledger in memory, any call of which can fail, or be the last of the driver's life."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, TypeVar

from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change, Outcome, Rollout
from trainer.rollout.errors import NotServed, Refused, RolloutInProgress, Unavailable
from trainer.rollout.parties import Ledger
from trainer.rollout.proof import Proof
from trainer.rollout.transaction import roll_out

Result = TypeVar("Result")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
DIGESTS = {version: f"digest of {version}" for version in ("6", "7", "8")}


class Killed(BaseException):
    """The driver's process is no more: it makes no other call."""


class Broken(Exception):
    """A call of which nobody foresaw that it could fail."""


@dataclass(frozen=True)
class Strike:
    """What happens at one of the driver's calls, counted from 0."""

    at: int
    effect: Literal["fails", "kills", "outage"]
    done: bool
    """Whether the call has done its work before."""


@dataclass
class World:
    """Two replicas that serve version 7, the champion; version 8 is to be rolled out."""

    champion: str | None = "7"
    strike: Strike | None = None
    clock: float = 0.0
    calls: list[str] = field(default_factory=list)
    """Which party was called, in order."""
    rows: list[Rollout] = field(default_factory=list)
    lock_held: bool = False
    killed: bool = False
    away: str | None = None
    """The party that can't be reached."""
    _one_at_a_time: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.replicas = [MemoryReplica(self, name, self.champion, self.champion) for name in ("a", "b")]
        self.aliases = MemoryAliases(self)
        self.ledger = MemoryLedger(self)
        if self.champion:
            self.rows.append(_row(1, Change("train", None, self.champion, "a flow run", "first model"), "done"))

    def roll_out(
        self, version: str = "8", decided_beside: str | None = "7", ledger: Ledger | None = None, wait: float = 0
    ) -> dict[str, float]:
        change = Change("promote", decided_beside, version, "a person", "because", {"rmse": 5.0})
        proof = Proof(version, DIGESTS.get(version, ""), [{"distance": 1}], [1.0])
        return roll_out(change, proof, lambda: self.replicas, self.aliases, ledger or self.ledger, wait)

    def call(self, party: str, act: Callable[[], Result]) -> Result:
        """One call of the driver's."""
        with self._one_at_a_time:
            if self.killed:
                raise Killed
            if party == self.away:
                raise Unavailable(f"{party} is away")
            strike = self.strike if self.strike and self.strike.at == len(self.calls) else None
            self.calls.append(party)
            if strike and not strike.done:
                self._struck(strike, party)
            result = act()
            if strike:
                self._struck(strike, party)
            return result

    def _struck(self, strike: Strike, party: str) -> None:
        if strike.effect == "kills":
            self.killed = True
            # the lock is its connection's
            self.lock_held = False
            raise Killed
        if strike.effect == "outage":
            self.away = party
        raise Broken(f"{party} broke")

    def after_a_while(self) -> None:
        """Whoever was away is back, unrenewed leases have ended, and every replica has polled the alias."""
        self.strike, self.away, self.killed = None, None, False
        self.clock += 61
        for replica in self.replicas:
            replica.poll()

    @property
    def served(self) -> list[str | None]:
        return [replica.version for replica in self.replicas]

    @property
    def leased(self) -> bool:
        return any(replica.lease for replica in self.replicas)

    @property
    def last(self) -> Rollout:
        return self.rows[-1]


@dataclass(frozen=True)
class Lease:
    version: str
    until: float
    before: str | None


@dataclass
class MemoryReplica:
    world: World
    name: str
    version: str | None
    followed: str | None
    generation: int = 1
    staged: set[str] = field(default_factory=set)
    lease: Lease | None = None
    answers: float = 1.0

    def serves(self, version: str) -> bool:
        return self._called(lambda: self.version == version)

    def stage(self, version: str) -> str:
        return self._called(lambda: self._stage(version))

    def swap(self, version: str, lease_seconds: float) -> int:
        return self._called(lambda: self._swap(version, lease_seconds))

    def renew(self, version: str, lease_seconds: float) -> None:
        self._called(lambda: self._renew(version, lease_seconds))

    def abandon(self, version: str) -> None:
        self._called(lambda: self._abandon(version))

    def follow(self) -> None:
        self._called(self.poll)

    def verify(self, proof: Proof, generation: int) -> None:
        self._called(lambda: self._verify(proof, generation))

    def verify_fulfilled(self, version: str) -> None:
        self._called(lambda: self._verify_fulfilled(version))

    def poll(self) -> None:
        """What a replica does by itself every few seconds."""
        if self.lease and self.world.clock >= self.lease.until:
            self._serve(self.lease.before)
            self.lease = None
        champion = self.world.champion
        if self.lease and champion == self.lease.version:
            self.lease, self.followed = None, champion
        elif not self.lease and champion not in (None, self.followed):
            self._serve(champion)
            self.followed = champion

    def _called(self, act: Callable[[], Result]) -> Result:
        return self.world.call(f"replica {self.name}", act)

    def _stage(self, version: str) -> str:
        if version not in DIGESTS:
            raise Refused(f"there is no version {version}")
        self.staged.add(version)
        return DIGESTS[version]

    def _swap(self, version: str, lease_seconds: float) -> int:
        assert version in self.staged
        self.lease = Lease(version, self.world.clock + lease_seconds, self.version)
        self._serve(version)
        return self.generation

    def _renew(self, version: str, lease_seconds: float) -> None:
        if not self.lease or self.lease.version != version:
            raise Refused("there is no such lease")
        self.lease = replace(self.lease, until=self.world.clock + lease_seconds)

    def _abandon(self, version: str) -> None:
        if self.lease and self.lease.version == version:
            self._serve(self.lease.before)
            self.lease = None

    def _verify(self, proof: Proof, generation: int) -> None:
        if (self.version, self.generation) != (proof.version, generation):
            raise NotServed(f"replica {self.name} serves version {self.version}")
        proof.check([self.answers])

    def _verify_fulfilled(self, version: str) -> None:
        self.poll()
        if self.version != version or self.lease:
            raise NotServed(f"replica {self.name} serves version {self.version}")

    def _serve(self, version: str | None) -> None:
        self.version = version
        self.generation += 1


@dataclass
class MemoryAliases:
    world: World

    def version_of(self, alias: str) -> str | None:
        assert alias == CHAMPION
        return self.world.call("registry", lambda: self.world.champion)

    def give_alias(self, alias: str, version: str) -> None:
        self._move(version)

    def take_alias(self, alias: str) -> None:
        self._move(None)

    def _move(self, version: str | None) -> None:
        def act() -> None:
            self.world.champion = version

        self.world.call("registry", act)


@dataclass
class MemoryLedger:
    world: World

    @contextmanager
    def locked(self, wait_seconds: float) -> Iterator[None]:
        try:
            self.world.call("ledger", self._lock)
            yield
        except RolloutInProgress:
            raise
        except BaseException:
            # the connection is closed, whatever failed, and the lock is its own
            self.world.lock_held = False
            raise
        self.world.lock_held = False

    def _lock(self) -> None:
        if self.world.lock_held:
            raise RolloutInProgress("trip-duration", 0)
        self.world.lock_held = True

    def begin(self, change: Change) -> int:
        return self._write(change, "under way")

    def record(self, change: Change) -> None:
        self._write(change, "done")

    def note(self, rollout: int, steps: Mapping[str, float]) -> None:
        self.world.call("ledger", lambda: self._update(rollout, steps=dict(steps)))

    def finish(
        self, rollout: int, outcome: Outcome, failure: str | None, steps: Mapping[str, float] | None = None
    ) -> None:
        noted = {} if steps is None else {"steps": dict(steps)}
        self.world.call("ledger", lambda: self._update(rollout, outcome=outcome, failure=failure, **noted))

    def under_way(self) -> list[Rollout]:
        return self.world.call("ledger", lambda: [row for row in self.world.rows if row.outcome == "under way"])

    def latest_served(self) -> str | None:
        return self.world.call("ledger", lambda: latest_served(self.world.rows))

    def _write(self, change: Change, outcome: Outcome) -> int:
        def act() -> int:
            identity = len(self.world.rows) + 1
            self.world.rows.append(_row(identity, change, outcome))
            return identity

        return self.world.call("ledger", act)

    def _update(self, rollout: int, **changes: object) -> None:
        rows = self.world.rows
        rows[rollout - 1] = replace(rows[rollout - 1], **changes)  # type: ignore[arg-type]


def latest_served(rows: Sequence[Rollout]) -> str | None:
    return next((row.change.to_version for row in reversed(rows) if row.outcome == "done"), None)


def _row(identity: int, change: Change, outcome: Outcome) -> Rollout:
    return Rollout(identity, change, outcome, NOW)
