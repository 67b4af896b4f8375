"""A worker's objects, built from the settings."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from fastapi import FastAPI
from linering import Ring
from originguard import listed

from serving import aside
from serving.app import Parts, build
from serving.batch.address import BATCH_SOCKET, listen
from serving.batch.desk import Desk
from serving.batch.lane import Lane
from serving.batch.models import Models
from serving.calls import Limits
from serving.chores import Chores
from serving.coordinator import Coordinator
from serving.deliveries import Deliveries
from serving.description import Describer
from serving.exchange import Memory
from serving.files import make_folder
from serving.follower import Follower
from serving.ledger import Ledger
from serving.life import living
from serving.mlflow_registry import MlflowRegistry
from serving.observe.access import AccessLog
from serving.observe.metrics import Metrics
from serving.observe.tracing import tracing
from serving.observe.watch import Observer
from serving.recorder.journal import Journal, Log, NoLog
from serving.recorder.spool import spool_of
from serving.recorder.status import status_of
from serving.registry import Registry
from serving.replica import Replica
from serving.settings import Settings
from serving.slot import Slot
from serving.store import ModelStore
from serving.trial import TRIAL_SOCKET, Trial, TrialProcess

MOST_ASIDE = 8
"""Calls of the registry, the ledger and the store at once."""


@dataclass(frozen=True)
class Worker:
    """What one worker consists of."""

    app: FastAPI
    parts: Parts
    settings: Settings


def compose(
    settings: Settings,
    registry: Registry | None = None,
    parent: int | None = None,
    ring: Ring | None = None,
    trial: Trial | None = None,
) -> Worker:
    """One worker.

    Args:
        registry: Instead of the MLflow server that the settings name.
        parent: See ``serving.life.living``.
        ring: See ``serving.recorder.journal.Journal``.
        trial: Instead of the replica's trial process.
    """
    assert settings.run_dir is not None
    folder = settings.store / settings.model_name
    make_folder(folder)
    registry = registry or mlflow_registry(settings, settings.alias)
    metrics, store = Metrics(), model_store(settings, trial)
    replica = Replica.of(settings.run_dir, folder)
    slot = Slot(os.getpid(), store, replica.state, metrics.serving)
    coordinator = Coordinator(registry, store, replica, metrics, settings.swap_seconds)
    follower = Follower(registry, coordinator, replica, metrics, settings.poll_seconds)
    journal, chores = _journal(settings, ring), Chores()
    metrics.watch_journal(journal.counts)
    log = AccessLog(settings.log_level)
    traces = tracing(settings.otel_endpoint, "serving")

    def settle() -> None:
        journal.look()
        metrics.settle()

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(aside.threads(MOST_ASIDE, "aside"))
        with _own_desk(settings, metrics):
            async with living(replica.peers.run_dir, slot, follower, chores, settle, parent):
                try:
                    yield
                finally:
                    journal.close()
                    log.flush()
                    traces.close()

    parts = Parts(
        slot=slot,
        coordinator=coordinator,
        describer=Describer(slot, replica, settings.alias),
        ledger=Ledger(settings.warehouse_url.get_secret_value(), settings.model_name),
        notes=replica.notes,
        metrics=metrics,
        peers=replica.peers,
        observer=Observer(metrics, log),
        tracing=traces,
        lane=Lane(_batch_socket(settings), limits(settings), settings.max_batches, settings.batch_seconds),
        journal=journal,
        recorder=status_of(settings.run_dir),
        chores=chores,
        root_path=settings.root_path,
        stack=settings.stack,
        memory=Memory(settings.max_buffered_bytes),
        deliveries=Deliveries(settings.webhook_secret, settings.model_name, settings.alias),
        life=life,
        model_name=settings.model_name,
        reload_token=settings.reload_token,
        max_body_bytes=settings.max_body_bytes,
        max_batch_rows=settings.max_batch_rows,
        origins=listed(settings.allowed_origins),
    )
    return Worker(build(parts), parts, settings)


def model_store(settings: Settings, trial: Trial | None = None) -> ModelStore:
    """The replica's own."""
    folder = settings.store / settings.model_name
    return ModelStore(
        folder, settings.model_name, settings.keep_versions, trial or trial_of(settings), settings.max_model_bytes
    )


def trial_of(settings: Settings) -> Trial:
    """The replica's trial process."""
    assert settings.run_dir is not None
    return TrialProcess(settings.run_dir / TRIAL_SOCKET)


def limits(settings: Settings) -> Limits:
    return Limits(settings.max_body_bytes, settings.max_batch_rows)


def _journal(settings: Settings, ring: Ring | None) -> Log:
    if not settings.warehouse_url.get_secret_value():
        return NoLog()
    return Journal(spool_of(settings), settings.spool_bytes, settings.record_share, ring)


def _batch_socket(settings: Settings) -> Path:
    assert settings.run_dir is not None
    return settings.run_dir / (BATCH_SOCKET if settings.batch_processes else f"batch-{os.getpid()}.socket")


@contextmanager
def _own_desk(settings: Settings, metrics: Metrics) -> Iterator[None]:
    """A worker's own threads for batches, where no process is there for them."""
    if settings.batch_processes:
        yield
        return
    path = _batch_socket(settings)
    path.unlink(missing_ok=True)
    own = Desk(listen(path), Models(model_store(settings)).find, limits(settings), metrics.text)
    Thread(target=own.run, daemon=True).start()
    try:
        yield
    finally:
        own.close()
        path.unlink(missing_ok=True)


def mlflow_registry(settings: Settings, alias: str) -> MlflowRegistry:
    return MlflowRegistry(
        settings.mlflow_tracking_uri,
        settings.model_name,
        alias,
        connect_seconds=settings.registry_connect_seconds,
        read_seconds=settings.registry_read_seconds,
    )
