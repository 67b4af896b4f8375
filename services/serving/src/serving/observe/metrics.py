"""What Prometheus scrapes: one truth over all workers of the replica."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from serving.errors import Refused, ServingError
from serving.observe.shared_files import use_allocated_files
from serving.observe.tally import Tally
from serving.peers import is_alive
from serving.predictions import Served
from serving.recorder import journal, shadow, shipper

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable. It is read when that package is first imported."""

use_allocated_files()

SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """The counters of this worker."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._own = own
        self.tally = Tally(
            Counter("serving_requests", "Requests answered", ["route", "status"], registry=own),
            Histogram("serving_request_seconds", "From request to answer", ["route"], buckets=SECONDS, registry=own),
            Counter("serving_rows", "Rows predicted", ["route"], registry=own),
            SECONDS,
        )
        self.refused = Counter("serving_refused", "Requests refused, by reason", ["reason"], registry=own)
        self.swaps = Counter("serving_swaps", "Attempts to serve a version, by outcome", ["outcome"], registry=own)
        self.poll_failures = Counter(
            "serving_registry_poll_failures", "Polls that the registry did not answer", registry=own
        )
        self.registry_events = Counter(
            "serving_registry_events", "Deliveries of the registry's webhook, by outcome", ["outcome"], registry=own
        )
        self.champion_refused = Gauge(
            "serving_champion_refused",
            "1 while the alias points to a version that can't be served",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._recorded = Counter("serving_recorded", "Answers put into the prediction log", registry=own)
        self._not_recorded = Counter(
            "serving_not_recorded", "Answers that the prediction log had no room for", registry=own
        )
        self._journal = journal.Counts()
        self._journal_settled = journal.Counts()
        self._open = self._sum("serving_connections", "Open connections")
        self._batches = self._sum("serving_batches", "Batches under way or waiting for their turn")
        self._held = self._sum("serving_buffered_bytes", "Request bodies that are held in memory")
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self._workers = Gauge(
            "serving_workers",
            "Workers, by whether they have a model",
            ["model"],
            registry=own,
            multiprocess_mode="livesum",
        )
        self._version = self._current("serving_model_version", "Version of the served model")
        self._generation = self._current("serving_model_generation", "How many swaps this replica has made")
        self._loaded = self._current(
            "serving_model_loaded_timestamp_seconds", "When the served model was loaded, seconds since 1970 UTC"
        )
        self.serving(None)

    def _current(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self._own, multiprocess_mode="livemostrecent")

    def _sum(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self._own, multiprocess_mode="livesum")

    def watch_queues(
        self, connections: Callable[[], float], batches: Callable[[], float], buffered: Callable[[], float]
    ) -> None:
        """Reads these lengths whenever the metrics are settled."""
        self._gauges = [(self._open, connections), (self._batches, batches), (self._held, buffered)]

    def watch_journal(self, counts: journal.Counts) -> None:
        """Reads these counts whenever the metrics are settled."""
        self._journal = counts

    def settle(self) -> None:
        """Brings the shared counters up to date with this worker."""
        self.tally.settle()
        found, before = replace(self._journal), self._journal_settled
        self._recorded.inc(found.recorded - before.recorded)
        self._not_recorded.inc(found.dropped - before.dropped)
        self._journal_settled = found
        for gauge, length in self._gauges:
            gauge.set(length())

    def serving(self, served: Served | None) -> None:
        """Records what this worker serves now."""
        self._workers.labels("loaded").set(0 if served is None else 1)
        self._workers.labels("none").set(1 if served is None else 0)
        if served is not None:
            self._version.set(int(served.record.version))
            self._generation.set(served.generation)
            self._loaded.set(served.loaded_at.timestamp())

    @contextmanager
    def failed_swaps(self) -> Iterator[None]:
        """Counts the errors that leave it: candidates that were refused, and attempts that came to nothing."""
        try:
            yield
        except ServingError as error:
            self.swaps.labels("refused" if isinstance(error, Refused) else "failed").inc()
            raise

    def text(self) -> bytes:
        """As ``shared_text``; of this worker alone if it shares with none."""
        return generate_latest(self._own) if SHARED_FOLDER not in os.environ else shared_text()


class RecorderMetrics:
    """The counters of the recorder's process."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._rows = Counter("serving_recorder_rows", "Rows that the warehouse has taken", registry=own)
        self._refused = Counter(
            "serving_recorder_refused", "Lines of the prediction log that the warehouse won't take", registry=own
        )
        self._torn = Counter(
            "serving_recorder_torn",
            "Lines of the log that a killed process had not written to their end",
            registry=own,
        )
        self._spool = Gauge(
            "serving_spool_bytes",
            "What lies in the spool, sent on or not",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._shadow = Counter(
            "serving_shadow", "Rows chosen for the challenger, by what became of them", ["outcome"], registry=own
        )
        self._settled = shipper.Counts()
        self._shadow_settled = shadow.Counts()

    def settle(self, recorder: shipper.Shipper) -> None:
        """Brings the shared counters up to date with the recorder."""
        found, before = replace(recorder.counts), self._settled
        self._rows.inc(found.rows - before.rows)
        self._refused.inc(found.refused - before.refused)
        self._torn.inc(found.torn - before.torn)
        self._settled = found
        self._spool.set(recorder.spool.total_bytes())
        if recorder.shadow is not None:
            self._settle_shadow(replace(recorder.shadow.counts))

    def _settle_shadow(self, found: shadow.Counts) -> None:
        before, self._shadow_settled = self._shadow_settled, found
        self._shadow.labels("scored").inc(found.scored - before.scored)
        self._shadow.labels("shed").inc(found.shed - before.shed)
        self._shadow.labels("failed").inc(found.failed - before.failed)


def shared_text() -> bytes:
    """In Prometheus' text format, as of the last ``settle``, summed over the workers. Any of their processes can tell.

    Takes milliseconds.
    """
    folder = os.environ[SHARED_FOLDER]
    _forget_dead(Path(folder))
    everyone = CollectorRegistry()
    MultiProcessCollector(everyone, folder)  # type: ignore[no-untyped-call]
    return generate_latest(everyone)


def _forget_dead(folder: Path) -> None:
    """Removes the gauges of workers that ended; what they counted stays."""
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}
    for pid in pids:
        if not is_alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
