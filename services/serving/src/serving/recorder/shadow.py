"""What the challenger would have answered: computed from the log, when the answers have long been given.

So it can neither delay a request nor fail one. It is the first thing to go when there is too much to do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson
from contract import ContractError

from serving import predictions
from serving.errors import NotFinite
from serving.predictions import Served
from serving.recorder import lines
from serving.recorder.lines import NANOSECONDS, ONE, SHADOW, Said, unescaped
from serving.recorder.spool import PREDICTIONS
from serving.recorder.warehouse import Away, Unfit

_SCALE = 1 << 32


@dataclass
class Counts:
    """Since the recorder's start, in rows that were chosen to be scored."""

    scored: int = 0
    shed: int = 0
    """Left out, since there was too much to do or the warehouse was away."""
    failed: int = 0
    """That the challenger has no answer to."""


@dataclass
class Shadow:
    """Scores a share of what the service has answered, one row at a time."""

    challenger: Callable[[], Served | None]
    share: float
    """From 0 to 1. Which rows it takes depends on their ids alone."""
    take: Callable[[str, bytes], int]
    """See ``Warehouse.take``."""
    counts: Counts = field(default_factory=Counts)

    def arrived(self, taken: bytes, *, behind: bool) -> None:
        """Scores and keeps.

        Args:
            taken: lines that the warehouse has just taken.
            behind: more waits to be sent on, which comes first.
        """
        served = self.challenger()
        if served is None:
            return
        chosen = self._chosen(taken, served.record.version)
        if behind:
            self.counts.shed += sum(1 for _ in chosen)
            return
        scored = [found for each in chosen if (found := self._score(served, *each))]
        if not scored:
            return
        try:
            self.take(PREDICTIONS, lines.answers(SHADOW, scored))
        except (Away, Unfit):
            self.counts.shed += len(scored)
        else:
            self.counts.scored += len(scored)

    def _chosen(self, taken: bytes, version: str) -> Iterator[tuple[int, bytes, str]]:
        """Time, request and id of rows that another version has answered."""
        for each in taken.splitlines():
            if not each.startswith(ONE):
                continue
            _, at, _, request, answer = each.split(b"\t")
            # the id stands first in an answer: what isn't chosen isn't parsed
            if int(answer[18:26], 16) >= self.share * _SCALE:
                continue
            said = orjson.loads(unescaped(answer))
            if said["model"]["version"] != version:
                yield int(at) * NANOSECONDS, unescaped(request), said["prediction_id"]

    def _score(self, served: Served, at: int, request: bytes, prediction_id: str) -> Said | None:
        try:
            answer = predictions.one(served, request, prediction_id)
        except (ContractError, NotFinite):
            self.counts.failed += 1
            return None
        return at, 0.0, request, answer
