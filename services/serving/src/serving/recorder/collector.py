"""From the workers' shared memory to the spool, ten times a second, whatever the warehouse does meanwhile."""

import threading
from collections.abc import Sequence

from linering import Ring

from serving.recorder.spool import PREDICTIONS, SegmentWriter, Spool

RING_BYTES = 8 * 1024 * 1024
"""Of a worker: at full load some 25,000 answers, those of a second."""
COLLECT_SECONDS = 0.1
"""What is lost if the whole machine stops is what was said since the last time."""


class Collector:
    """For one thread at a time."""

    def __init__(self, rings: Sequence[Ring], spool: Spool) -> None:
        self._rings = rings
        self._writer = SegmentWriter(spool, PREDICTIONS)
        self.problem: str | None = None
        """Why it can't write; what was said stays in the rings as long as they have room."""

    def run(self, ending: threading.Event) -> None:
        """Until then, and once more."""
        while not ending.wait(COLLECT_SECONDS):
            self.collect()
        self.finish()

    def collect(self) -> None:
        try:
            for ring in self._rings:
                said = ring.waiting()
                if said:
                    self._writer.write(said)
                    # a process that is killed here leaves them twice: the warehouse keeps one
                    ring.release(len(said))
        except OSError as error:
            self.problem = f"the spool: {error}"
        else:
            self.problem = None

    def finish(self) -> None:
        """Collects what there is; nothing more comes."""
        self.collect()
        self._writer.end()
