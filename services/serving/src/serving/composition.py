"""A worker's objects, built from the settings."""

import os
from functools import partial

from fastapi import FastAPI

from serving.app import Parts, build
from serving.coordinator import Coordinator
from serving.description import Describer
from serving.follower import Follower
from serving.life import living
from serving.metrics import Metrics
from serving.mlflow_registry import MlflowRegistry
from serving.registry import Registry
from serving.replica import Replica
from serving.settings import Settings
from serving.slot import Slot
from serving.store import ModelStore


def compose(settings: Settings, registry: Registry | None = None, parent: int | None = None) -> FastAPI:
    """The application of one worker.

    Args:
        registry: Instead of the MLflow server that the settings name.
        parent: See ``serving.life.living``.
    """
    assert settings.run_dir is not None
    folder = settings.store / settings.model_name
    folder.mkdir(parents=True, exist_ok=True)
    registry = registry or _mlflow(settings)
    metrics = Metrics()
    store = ModelStore(folder, settings.model_name, settings.keep_versions)
    replica = Replica.of(settings.run_dir, folder)
    slot = Slot(os.getpid(), store, replica.state, metrics.serving)
    coordinator = Coordinator(registry, store, replica, metrics, settings.swap_seconds)
    follower = Follower(registry, coordinator, replica, metrics, settings.poll_seconds)
    return build(
        Parts(
            slot=slot,
            coordinator=coordinator,
            describer=Describer(slot, replica, settings.alias),
            notes=replica.notes,
            metrics=metrics,
            life=partial(living, settings.run_dir, slot, follower, parent),
            model_name=settings.model_name,
            reload_token=settings.reload_token,
            max_body_bytes=settings.max_body_bytes,
            max_batch_rows=settings.max_batch_rows,
        )
    )


def _mlflow(settings: Settings) -> MlflowRegistry:
    return MlflowRegistry(
        settings.mlflow_tracking_uri,
        settings.model_name,
        settings.alias,
        connect_seconds=settings.registry_connect_seconds,
        read_seconds=settings.registry_read_seconds,
    )
