"""Counts requests where they are answered, and hands the counts to Prometheus' counters when someone looks.

A counter that all workers share costs microseconds at each request; a list of this process costs a fraction of one.
"""

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Histogram


class _Entry:
    __slots__ = ("buckets", "count", "rows", "seconds")

    def __init__(self, buckets: int) -> None:
        self.count = 0
        self.rows = 0
        self.seconds = 0.0
        self.buckets = [0] * buckets


class Tally:
    """Requests, their durations and their rows, by route and status, since the last ``settle``."""

    def __init__(self, requests: Counter, seconds: Histogram, rows: Counter, bounds: Sequence[float]) -> None:
        self._requests = requests
        self._seconds = seconds
        self._rows = rows
        self._bounds = bounds
        self._entries: dict[tuple[str, int], _Entry] = {}

    def add(self, route: str, status: int, seconds: float, rows: int) -> None:
        entry = self._entries.get((route, status))
        if entry is None:
            entry = self._entries[route, status] = _Entry(len(self._bounds) + 1)
        entry.count += 1
        entry.rows += rows
        entry.seconds += seconds
        entry.buckets[bisect_left(self._bounds, seconds)] += 1

    def settle(self) -> None:
        """Adds what was counted to the counters."""
        entries, self._entries = self._entries, {}
        for (route, status), entry in entries.items():
            self._requests.labels(route, status).inc(entry.count)
            if entry.rows:
                self._rows.labels(route).inc(entry.rows)
            # prometheus_client has no call that adds many observations: these two are what its observe() writes
            child = self._seconds.labels(route)
            child._sum.inc(entry.seconds)  # noqa: SLF001
            for bucket, count in zip(child._buckets, entry.buckets, strict=True):  # noqa: SLF001
                if count:
                    bucket.inc(count)
