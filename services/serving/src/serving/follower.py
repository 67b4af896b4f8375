"""Keeps the replica at the version that the registry's alias points to."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from serving.coordinator import Coordinator
from serving.errors import NoChampion, Refused, RegistryUnreachable, ServingError, StoreFailed
from serving.files import lock
from serving.notes import Note, RefusedVersion
from serving.observe.metrics import Metrics
from serving.registry import ModelVersion, Registry
from serving.replica import Replica
from serving.wire import Call, Reply

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 4.0
LONGEST_RETRY_SECONDS = 300.0
STATUS_SECONDS = 2.0
BREATH_SECONDS = 0.1
"""Between two polls at least, however much is told."""


class Follower:
    """Each worker has one. The one that gets the lock polls, until its process ends."""

    def __init__(
        self, registry: Registry, coordinator: Coordinator, replica: Replica, metrics: Metrics, poll_seconds: float
    ) -> None:
        self._registry = registry
        self._coordinator = coordinator
        self._state = replica.state
        self._peers = replica.peers
        self._notes = replica.notes
        self._lock_file = replica.follow_lock
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._refused_key: str | None = None
        self._retry_at = 0.0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._told = asyncio.Event()

    async def run(self, came_round: Callable[[], None] = lambda: None) -> None:
        """Polls until it is cancelled, or something is wrong that no poll expects; ``came_round`` is told of each that
        wasn't.
        """
        while True:
            with lock(self._lock_file) as mine:
                while mine:
                    await self.poll()
                    came_round()
                    await self._pause()
            came_round()
            await self._pause()

    def look(self) -> None:
        """Has the next poll begin now. Told many times at once, or during a poll, it is one more."""
        self._told.set()

    async def _pause(self) -> None:
        breath = min(BREATH_SECONDS, self._poll_seconds)
        await asyncio.sleep(breath)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds - breath):
                await self._told.wait()
        # before the poll: what is told while it asks may be news to it
        self._told.clear()

    async def poll(self) -> None:
        """Looks once where the alias points and acts if that is news."""
        try:
            await self._follow(await asyncio.to_thread(self._registry.champion))
        except RegistryUnreachable as error:
            await self._expire()
            self._metrics.poll_failures.inc()
            self._note(Note(reason=str(error), refused=self._notes.read().refused))
        except NoChampion as error:
            await self._expire()
            self._accept(Note(reason=str(error)))
        except Exception:
            # whatever it was, the next poll may do better, and a replica that stopped following would say nothing
            log.exception("following the alias failed")

    async def _expire(self) -> None:
        lease = self._state.read().lease
        if lease is None or not lease.ended:
            return
        try:
            await self._coordinator.expire()
        except (Refused, StoreFailed) as error:
            log.error("what was served before the lease can't be served: %s", error)  # noqa: TRY400

    async def _follow(self, champion: ModelVersion) -> None:
        state = self._state.read()
        if state.lease is not None and champion.key != state.entry:
            await self._expire()
            state = self._state.read()
            if state.lease is not None:
                return  # a rollout is under way: it moves the alias last
        if champion.key == self._refused_key and time.monotonic() < self._retry_at:
            return
        try:
            if champion.key != state.followed or state.lease is not None:
                await self._coordinator.serve_champion()
            elif not await self._all_converged():
                await self._coordinator.repair()
        except (Refused, StoreFailed) as error:
            self._refuse(champion, error)
            return
        self._accept(Note())

    async def _all_converged(self) -> bool:
        generation = self._state.read().generation
        replies = await self._peers.ask(Call(what="status"), STATUS_SECONDS)
        return all(isinstance(reply, Reply) and reply.status.generation == generation for reply in replies.values())

    def _refuse(self, champion: ModelVersion, error: ServingError) -> None:
        again = champion.key == self._refused_key
        self._retry_seconds = min(self._retry_seconds * 2, LONGEST_RETRY_SECONDS) if again else FIRST_RETRY_SECONDS
        self._retry_at = time.monotonic() + self._retry_seconds
        self._refused_key = champion.key
        self._metrics.champion_refused.set(1)
        refused = RefusedVersion(version=champion.version, reason=str(error))
        self._note(Note(reason=f"version {champion.version} was refused: {error}", refused=refused))

    def _accept(self, note: Note) -> None:
        self._refused_key = None
        self._metrics.champion_refused.set(0)
        self._note(note)

    def _note(self, note: Note) -> None:
        """Says it once: to the log and to the other workers."""
        if note == self._notes.read():
            return
        self._notes.write(note)
        if note.reason:
            log.warning("not following the alias: %s", note.reason)
        else:
            log.info("following the alias")
