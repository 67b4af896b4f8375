"""Whether there is processor time to spare, as the scheduler tells a process of low priority."""

from dataclasses import dataclass
from pathlib import Path

SCHEDSTAT = Path("/proc/self/schedstat")
"""Linux: nanoseconds that the main thread ran, and that it waited for a processor while it could have run."""


@dataclass
class Processor:
    """Since the last look."""

    statistics: Path = SCHEDSTAT
    _ran: int = 0
    _waited: int = 0

    def is_short(self) -> bool:
        """Whether this process waited for a processor longer than it had one; False where the system doesn't tell."""
        try:
            ran, waited = map(int, self.statistics.read_text().split()[:2])
        except (OSError, ValueError):
            return False
        short = waited - self._waited > ran - self._ran
        self._ran, self._waited = ran, waited
        return short
