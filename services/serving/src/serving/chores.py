"""What a worker does beside its requests for as long as it lives: whatever goes wrong with it, it goes on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""After a failure."""


class Chores:
    """Tasks that nobody waits for. One that ended would be missed by nobody, and what it kept up would stand still."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def problem(self) -> str | None:
        """What doesn't work now; None while all do."""
        return "; ".join(f"{name}: {problem}" for name, problem in self._problems.items()) or None

    def begin(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Runs it until ``end``: again and again, if it fails.

        Args:
            run: is to be cancelled, and returns by itself never.
        """
        self._tasks.add(asyncio.create_task(self._keep_up(name, run)))

    def works(self, name: str) -> None:
        """To be called by a chore that has come round once more."""
        self._problems.pop(name, None)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:
                # said once for as long as it lasts
                if self._problems.get(name) != str(error):
                    log.exception("%s failed, and begins again", name)
                self._problems[name] = str(error) or type(error).__name__
            await asyncio.sleep(AGAIN_SECONDS)
