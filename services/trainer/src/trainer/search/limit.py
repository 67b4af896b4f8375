"""When a search is over, whatever its trials are at."""

import threading
import time
from dataclasses import dataclass, field


class Interrupted(Exception):
    """A trial didn't come to its end: the search's time is over, or somebody ended it."""


@dataclass(frozen=True)
class Limit:
    """How long a search may take, and a way to end it before; asked by all its threads."""

    seconds: float
    _begun: float = field(default_factory=time.monotonic)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_passed(self) -> float:
        return time.monotonic() - self._begun

    @property
    def seconds_left(self) -> float:
        return max(self.seconds - self.seconds_passed, 0)

    @property
    def over(self) -> bool:
        return self._stopped.is_set() or not self.seconds_left

    def end(self) -> None:
        """The search is over now."""
        self._stopped.set()

    def check(self) -> None:
        """Raises Interrupted: the search is over."""
        if self.over:
            raise Interrupted
