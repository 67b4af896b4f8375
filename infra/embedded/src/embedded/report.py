"""Who is told how starting and stopping go on."""

from collections.abc import Sequence
from typing import Protocol


class Report(Protocol):
    """A listener to a stack's start and stop."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def waiting(self, names: Sequence[str]) -> None:
        """What isn't ready, or hasn't ended, yet."""

    def ready(self, name: str, seconds: float, detail: str) -> None:
        """A service is ready, so many seconds after it was started."""


class NullReport:
    """Tells nobody."""

    def note(self, text: str) -> None: ...

    def waiting(self, names: Sequence[str]) -> None: ...

    def ready(self, name: str, seconds: float, detail: str) -> None: ...
