"""How much is worked on at once, so that what it takes in memory has a bound."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Bytes of requests that threads work on at once; the others wait, in their order.

    Args:
        most: A single request of more has all of it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._next = threading.Lock()
        self._change = threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Waits until there is room."""
        count = min(count, self._most)
        # who waits for much isn't overtaken for ever by those that want little
        with self._next, self._change:
            self._change.wait_for(lambda: self._free >= count)
            self._free -= count
        try:
            yield
        finally:
            with self._change:
                self._free += count
                self._change.notify()
