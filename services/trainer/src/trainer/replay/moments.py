"""A clock that runs faster than the one on the wall."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Clock:
    """Begins at a moment of the past when it is made."""

    start: datetime
    speed: float
    """Seconds of the past in one of today."""
    _began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The moment that it shows."""
        return self.start + timedelta(seconds=(time.monotonic() - self._began) * self.speed)

    def wait_until(self, moment: datetime) -> None:
        """Returns at once if it has passed."""
        left = (moment - self.start).total_seconds() / self.speed - (time.monotonic() - self._began)
        if left > 0:
            time.sleep(left)
