"""The swap: every worker of the replica takes the new model, or every one keeps the old.

See docs/decisions/replica-swap.md.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serving.errors import NoChampion, NoLease, NoModel, SwapFailed, SwapInProgress, WorkerSilent
from serving.files import lock
from serving.observe.metrics import Metrics
from serving.registry import ModelVersion, Registry
from serving.replica import Replica
from serving.state import Lease, State
from serving.store import ModelStore
from serving.wire import Call, Reply, Status

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
"""Between two attempts at what another process must end first."""


@dataclass(frozen=True)
class Choice:
    """The version to serve, and where the alias pointed when it was chosen."""

    version: ModelVersion
    followed: str | None
    lease_seconds: float | None = None
    """None: it stays."""


@dataclass(frozen=True)
class Swapped:
    """A swap's outcome; both have the same generation if the version was served already."""

    before: State
    after: State
    digest: str
    """Of the contract that is served now."""
    workers: Sequence[Status]


class Coordinator:
    """Any worker may lead a swap; a lock that dies with its holder keeps it to one at a time.

    All calls raise Refused, RegistryUnreachable or StoreFailed; what was served before then still is.
    """

    def __init__(
        self, registry: Registry, store: ModelStore, replica: Replica, metrics: Metrics, seconds: float
    ) -> None:
        self._registry = registry
        self._store = store
        self._peers = replica.peers
        self._state = replica.state
        self._lock_file = replica.swap_lock
        self._metrics = metrics
        self._seconds = seconds

    async def serve_champion(self) -> Swapped:
        """Serves the version that the alias points to."""
        return await self._swap(self._champion)

    async def serve_version(self, number: str) -> Swapped:
        """Serves a version until the alias moves."""
        return await self._swap(lambda: Choice(self._registry.version(number), self._champion_key()))

    async def stage(self, number: str) -> str:
        """Has every worker load and check a version beside the one that it serves; the contract's digest."""
        async with self._turn():
            version = await asyncio.to_thread(self._registry.version, number)
            key = await asyncio.to_thread(self._store.fetch, self._registry, version)
            if key != self._state.read().entry:
                await self._stage(key)
            return await asyncio.to_thread(self._store.digest, key)

    async def lease_version(self, number: str, seconds: float) -> Swapped:
        """Serves a version for so long, and then what was served before, unless the alias comes to point to it."""
        return await self._swap(lambda: Choice(self._registry.version(number), self._champion_key(), seconds))

    async def renew(self, number: str, seconds: float) -> Lease:
        """Begins the time of a version's lease anew. Raises NoLease."""
        async with self._turn():
            state = self._state.read()
            if state.lease is None or state.version != number:
                raise NoLease(number)
            lease = state.lease.renewed(seconds)
            await self._write(state.model_copy(update={"lease": lease}))
            return lease

    async def abandon(self, number: str) -> State:
        """Serves what was served before the version's lease; changes nothing if there is no such lease."""
        async with self._turn():
            state = self._state.read()
            return await self._give_back(state) if state.lease is not None and state.version == number else state

    async def expire(self) -> None:
        """Serves what was served before, if a lease has ended. Needs no registry."""
        async with self._turn():
            state = self._state.read()
            if state.lease is not None and state.lease.ended:
                log.warning("the lease has ended", extra={"version": state.version, "before": state.lease.version})
                await self._give_back(state)

    async def repair(self) -> Swapped:
        """Has every worker serve the current state, its bundle fetched again if the stored one is damaged."""
        return await self._swap(self._current)

    def _champion(self) -> Choice:
        champion = self._registry.champion()
        return Choice(champion, champion.key)

    def _champion_key(self) -> str | None:
        try:
            return self._registry.champion().key
        except NoChampion:
            return None

    def _current(self) -> Choice:
        state = self._state.read()
        if state.version is None:
            raise NoModel("no version has been served yet")
        # a lease goes on for what is left of it
        left = None if state.lease is None else state.lease.seconds_left
        return Choice(self._registry.version(state.version), state.followed, left)

    async def _swap(self, choose: Callable[[], Choice]) -> Swapped:
        with self._metrics.failed_swaps():
            async with self._turn():
                swapped = await self._serve(await asyncio.to_thread(choose))
        changed = swapped.after.generation != swapped.before.generation
        self._metrics.swaps.labels("done" if changed else "unchanged").inc()
        return swapped

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        deadline = time.monotonic() + self._seconds
        while True:
            with lock(self._lock_file) as free:
                if free:
                    yield
                    return
            if time.monotonic() > deadline:
                raise SwapInProgress(f"another swap has not ended within {self._seconds:g} s")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, choice: Choice) -> Swapped:
        before = self._state.read()
        key = await asyncio.to_thread(self._store.fetch, self._registry, choice.version)
        if key == before.entry:
            after = before.model_copy(update={"followed": choice.followed, "lease": None})
        else:
            generation = await self._stage(key) + 1
            after = before.next(max(generation, before.generation + 1), key, choice.version.version, choice.followed)
        if choice.lease_seconds is not None:
            after = after.leased(before, choice.lease_seconds)
        workers = await self._commit(before, after)
        needed = (after.entry, after.previous, after.lease.entry if after.lease else None)
        await asyncio.to_thread(self._store.prune, *needed)
        return Swapped(before, after, await asyncio.to_thread(self._store.digest, key), workers)

    async def _give_back(self, state: State) -> State:
        lease = state.lease
        assert lease is not None
        if lease.entry == state.entry:
            after = state.model_copy(update={"followed": lease.followed, "lease": None})
        else:
            generation = state.generation if lease.entry is None else await self._stage(lease.entry)
            generation = max(generation, state.generation) + 1
            after = state.next(generation, lease.entry, lease.version, lease.followed)
        await self._commit(state, after)
        self._metrics.swaps.labels("given_back").inc()
        return after

    async def _stage(self, key: str) -> int:
        """Has all workers load the entry aside; returns the highest generation that any has."""
        replies = await self._peers.ask(Call(what="stage", key=key), self._seconds)
        if problems := _problems(replies):
            await self._peers.ask(Call(what="discard"), self._seconds)
            raise SwapFailed(problems)
        return max((reply.status.generation for reply in replies.values() if isinstance(reply, Reply)), default=0)

    async def _commit(self, before: State, after: State) -> Sequence[Status]:
        """Writing the state decides. If a worker can't follow, a newer state takes it back."""
        if after != before:
            await self._write(after)
        try:
            return await self._converged(after.generation)
        except SwapFailed:
            if after.generation != before.generation:
                await self._write(before.again(after))
                await self._peers.ask(Call(what="converge"), self._seconds)
            raise

    async def _write(self, state: State) -> None:
        """Not in the event loop: a disk may take longer than all the requests that wait meanwhile."""
        writing = asyncio.create_task(asyncio.to_thread(self._state.write, state))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # the swap's lock is held until the state is one or the other
            await asyncio.wait([writing])
            raise

    async def _converged(self, generation: int) -> Sequence[Status]:
        """Every worker's status once all have the generation. Raises SwapFailed.

        A worker that starts meanwhile opens its socket before it reads the state. So it is either seen here, or it
        reads the state that has been written already.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            remaining = max(deadline - time.monotonic(), PAUSE_SECONDS)
            replies = await self._peers.ask(Call(what="converge"), remaining)
            found = [reply.status for reply in replies.values() if isinstance(reply, Reply)]
            if len(found) == len(replies) and all(status.generation == generation for status in found):
                return found
            if time.monotonic() > deadline:
                raise SwapFailed(_problems(replies) or "not all workers took the model")
            await asyncio.sleep(PAUSE_SECONDS)


def _problems(replies: Mapping[int, Reply | WorkerSilent]) -> str:
    problems = {pid: str(reply) if isinstance(reply, WorkerSilent) else reply.problem for pid, reply in replies.items()}
    return "; ".join(f"worker {pid}: {problem}" for pid, problem in problems.items() if problem)
