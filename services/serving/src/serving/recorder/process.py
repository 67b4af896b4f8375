"""The recorder: a process of its own that brings the spool of all workers to the warehouse."""

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from linering import Ring

from serving.composition import mlflow_registry, trial_of
from serving.observe.metrics import RecorderMetrics
from serving.peers import Peers
from serving.recorder.challenger import Challenger
from serving.recorder.collector import Collector
from serving.recorder.processor import Processor
from serving.recorder.shadow import Shadow
from serving.recorder.shipper import Shipper
from serving.recorder.spool import spool_of
from serving.recorder.status import Status, StatusFile, status_of
from serving.recorder.warehouse import Away, Warehouse
from serving.settings import Settings
from serving.store import ModelStore

log = logging.getLogger(__name__)

NICENESS = 10
"""On a busy core the requests of the workers go first."""
IDLE_SECONDS = 0.2
YIELDING_SECONDS = 1.0
"""Between two parts while the processor has no time to spare, which the requests then have; unless the spool is filling
up."""
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
END_SECONDS = 5.0
"""What is left for the warehouse at the end; the rest waits for the next start."""


def work(rings: Sequence[Ring]) -> None:
    """Until SIGTERM, or until its supervisor and all workers have ended."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    os.nice(NICENESS)
    gc.freeze()
    settings = Settings()
    assert settings.run_dir is not None
    warehouse = Warehouse(settings.warehouse_url.get_secret_value())
    spool = spool_of(settings)
    recorder = Recorder(
        Collector(rings, spool),
        Shipper(spool, warehouse, _shadow(settings, warehouse, ending)),
        status_of(settings.run_dir),
        RecorderMetrics(),
        ending,
        settings.spool_bytes // 2,
    )
    parent, peers = os.getppid(), Peers(settings.run_dir)
    recorder.run(lambda: os.getppid() != parent and not peers.pids())


def _shadow(settings: Settings, warehouse: Warehouse, ending: threading.Event) -> Shadow | None:
    if not settings.shadow_share:
        return None
    folder = settings.store / settings.model_name / "challenger"
    store = ModelStore(folder, settings.model_name, 2, trial_of(settings), settings.max_model_bytes)
    challenger = Challenger(mlflow_registry(settings, settings.challenger_alias), store)
    threading.Thread(target=challenger.follow, args=(settings.poll_seconds, ending), daemon=True).start()
    return Shadow(lambda: challenger.served, settings.shadow_share, warehouse.take)


@dataclass
class Recorder:
    """Ships as long as there is something, waits while there isn't, and tries again while the warehouse is away."""

    collector: Collector
    shipper: Shipper
    status: StatusFile
    metrics: RecorderMetrics
    ending: threading.Event
    patient_bytes: int
    """Of the spool, up to which it gives way to the requests."""
    processor: Processor = field(default_factory=Processor)
    pause: float = 0
    """Seconds until the next step."""
    _problem: str | None = None

    def run(self, is_alone: Callable[[], bool]) -> None:
        """Until ``ending``, or until nobody is left who could say anything; or the collector fails, to begin anew."""
        collected = threading.Event()
        collecting = threading.Thread(target=self.collector.run, args=(collected,), daemon=True)
        collecting.start()
        while not self.ending.wait(self.pause) and collecting.is_alive() and not is_alone():
            self.step()
        collected.set()
        collecting.join(END_SECONDS)
        self._last_steps()

    def step(self) -> None:
        """Ships once."""
        problem = None
        try:
            self.pause = self._pause_after() if self.shipper.ship() else IDLE_SECONDS
        except Away as error:
            self.pause = min(max(2 * self.pause, FIRST_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
            problem = f"the warehouse: {error}"
            self.shipper.make_durable()
        except OSError as error:
            self.pause = LONGEST_RETRY_SECONDS
            problem = f"the spool: {error}"
        self._say("; ".join(filter(None, (problem, self.collector.problem))) or None)
        self.metrics.settle(self.shipper)

    def _pause_after(self) -> float:
        """Until the next part, when there may be more."""
        if not self.processor.is_short():
            return 0
        return YIELDING_SECONDS if self.shipper.spool.total_bytes() < self.patient_bytes else 0

    def _last_steps(self) -> None:
        ended = threading.Timer(END_SECONDS, lambda: os._exit(0))
        ended.daemon = True
        ended.start()
        self.pause = 0
        while self._problem is None and self.pause == 0:
            self.step()
        ended.cancel()

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        if (problem is None) != (self._problem is None):
            log.log(logging.INFO if problem is None else logging.WARNING, "recording: %s", problem or "goes on")
        self._problem = problem
        self.status.write(Status(problem=problem))
