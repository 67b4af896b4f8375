"""A worker's life beside its requests: it listens to the others, keeps to the state and may follow the alias."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from serving.chores import Chores
from serving.errors import DamagedBundle
from serving.follower import Follower
from serving.listener import listening
from serving.slot import Slot

log = logging.getLogger(__name__)

KEEPING, FOLLOWING = "keeping up with the replica", "following the alias"

CONVERGE_SECONDS = 1.0
"""How often a worker compares itself with state.json, in case the one that led a swap died before telling all."""


@asynccontextmanager
async def living(
    run_dir: Path, slot: Slot, follower: Follower, chores: Chores, settle: Callable[[], None], parent: int | None
) -> AsyncIterator[None]:
    """Loads the last known good model, then runs the worker's tasks as long as the context lasts.

    The socket opens before the state is read: see ``Coordinator``.

    Args:
        chores: Runs what lasts, and knows what of it doesn't work.
        settle: Brings the shared counters up to date; also done every second, so that a killed worker loses little.
        parent: Process without which the worker is to end; None for none.
    """
    async with listening(run_dir, slot, {"settle": settle, "look": follower.look}):
        keeper = _Keeper(run_dir, slot, chores, settle, parent)
        await keeper.converge()
        chores.begin(KEEPING, keeper.run)
        chores.begin(FOLLOWING, lambda: follower.run(lambda: chores.works(FOLLOWING)))
        try:
            yield
        finally:
            await chores.end()
            settle()


class _Keeper:
    def __init__(
        self, run_dir: Path, slot: Slot, chores: Chores, settle: Callable[[], None], parent: int | None
    ) -> None:
        self._run_dir = run_dir
        self._chores = chores
        self._slot = slot
        self._settle = settle
        self._parent = parent
        self._said = ""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CONVERGE_SECONDS)
            # first: whatever else fails, nobody is left behind
            self._end_with_parent()
            self._end_without_folder()
            await self.converge()
            self._settle()
            self._chores.works(KEEPING)

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

    def _end_without_folder(self) -> None:
        """Whoever cleaned up took the workers' sockets: they can't meet any more, and a new start can."""
        if self._parent is not None and not self._run_dir.exists():
            log.error("the run folder %s is gone: the service ends, to begin anew", self._run_dir)
            os.kill(self._parent, signal.SIGTERM)
