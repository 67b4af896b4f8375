"""A worker's life beside its requests: it listens to the others, keeps to the state and may follow the alias."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from serving.errors import DamagedBundle
from serving.follower import Follower
from serving.listener import listening
from serving.slot import Slot

log = logging.getLogger(__name__)

CONVERGE_SECONDS = 1.0
"""How often a worker compares itself with state.json, in case the one that led a swap died before telling all."""


@asynccontextmanager
async def living(
    run_dir: Path, slot: Slot, follower: Follower, settle: Callable[[], None], parent: int | None
) -> AsyncIterator[None]:
    """Loads the last known good model, then runs the worker's tasks as long as the context lasts.

    The socket opens before the state is read: see ``Coordinator``.

    Args:
        settle: Brings the shared counters up to date; also done every second, so that a killed worker loses little.
        parent: Process without which the worker is to end; None for none.
    """
    async with listening(run_dir, slot, {"settle": settle, "look": follower.look}):
        keeper = _Keeper(slot, settle, parent)
        await keeper.converge()
        tasks = [asyncio.create_task(run()) for run in (keeper.run, follower.run)]
        try:
            yield
        finally:
            await _cancel(tasks)
            settle()


class _Keeper:
    def __init__(self, slot: Slot, settle: Callable[[], None], parent: int | None) -> None:
        self._slot = slot
        self._settle = settle
        self._parent = parent
        self._said = ""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CONVERGE_SECONDS)
            await self.converge()
            self._settle()
            self._end_with_parent()

    async def converge(self) -> None:
        try:
            await self._slot.converge()
        except DamagedBundle as error:
            if self._said != str(error):
                self._said = str(error)
                log.error("the worker can't serve what the replica serves: %s", error)  # noqa: TRY400

    def _end_with_parent(self) -> None:
        # a worker whose supervisor was killed would hold the port for ever
        if self._parent is not None and os.getppid() != self._parent:
            signal.raise_signal(signal.SIGTERM)


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
