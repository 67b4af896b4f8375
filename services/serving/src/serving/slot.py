"""The model that this worker serves, and the one that it has ready."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from serving.errors import DamagedBundle, NoModel
from serving.predictions import Served
from serving.state import State, StateFile
from serving.store import ModelStore
from serving.wire import Status

log = logging.getLogger(__name__)


class Slot:
    """A worker moves only to what state.json says; a staged model makes that move immediate."""

    def __init__(self, pid: int, store: ModelStore, state: StateFile, changed: Callable[[Served | None], None]) -> None:
        self.pid = pid
        self._store = store
        self._state = state
        self._changed = changed
        self._lock = asyncio.Lock()
        self._ready: dict[str, Served] = {}
        """A loaded model that the next state may name: the staged one, or after a swap the one before."""
        self._generation = 0
        self.current: Served | None = None
        self.reason = "no model has been loaded yet"
        """Why there is no current model."""

    @property
    def served(self) -> Served:
        """The current model. Raises NoModel."""
        if self.current is None:
            raise NoModel(self.reason)
        return self.current

    def status(self) -> Status:
        version = self.current.record.version if self.current else None
        return Status(pid=self.pid, version=version, generation=self._generation)

    async def stage(self, key: str) -> Status:
        """Loads and checks an entry of the store aside. Raises DamagedBundle."""
        async with self._lock:
            if self._known(key) is None:
                self._ready = {key: await asyncio.to_thread(self._load, key)}
            return self.status()

    async def discard(self) -> Status:
        """Forgets what was staged."""
        async with self._lock:
            self._ready.clear()
            return self.status()

    async def converge(self) -> Status:
        """Serves what state.json says. Raises DamagedBundle and goes on as before if that can't be loaded."""
        async with self._lock:
            state = self._state.read()
            if state.generation > self._generation:  # a lost state.json is no reason to drop the model
                try:
                    await self._move(state)
                except DamagedBundle as error:
                    self.reason = str(error)
                    raise
            return self.status()

    async def _move(self, state: State) -> None:
        before = self.current
        if state.entry is None:
            self.current = None
        else:
            known = self._known(state.entry)
            served = await asyncio.to_thread(self._load, state.entry) if known is None else known
            self.current = replace(served, generation=state.generation)
        self._generation = state.generation
        self._ready = {before.key: before} if before else {}
        self._changed(self.current)
        log.info("serving", extra={"version": state.version, "generation": state.generation})

    def _known(self, key: str) -> Served | None:
        if self.current is not None and self.current.key == key:
            return self.current
        return self._ready.get(key)

    def _load(self, key: str) -> Served:
        model, record = self._store.load(key)
        _ = model.rows  # compiled here, not within the first request
        if model.fallback is not None:
            log.warning("XGBoost itself predicts, which takes longer", extra={"why": model.fallback})
        return Served(model, record, key, generation=0, loaded_at=datetime.now(UTC))
