"""What flows reach outside themselves, built from the settings: the only place where flows read them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from trainer.data.warehouse import Connection, connect
from trainer.registry.champion import Registry
from trainer.registry.runs import TrainingRun, client
from trainer.rollout.notification import WEBHOOK_BLOCK
from trainer.rollout.service import ModelService
from trainer.settings import Settings


@cache
def settings() -> Settings:
    return Settings()


def kept_folders() -> list[Path]:
    """Where steps leave what only later steps and runs need: Prefect's results, and our files."""
    storage = settings().storage
    return [PREFECT_LOCAL_STORAGE_PATH.value(), *(storage / name for name in ("checkpoints", "features", "runs"))]


def connected_warehouse() -> AbstractContextManager[Connection]:
    return connect(settings().warehouse_url.get_secret_value())


def registry(model: str) -> Registry:
    return Registry(client(settings().mlflow_tracking_uri), model)


def training_run(run_id: str) -> TrainingRun:
    return TrainingRun(client(settings().mlflow_tracking_uri), run_id)


def start_training_run(experiment: str, name: str, tags: Mapping[str, str]) -> TrainingRun:
    return TrainingRun.start(client(settings().mlflow_tracking_uri), experiment, name, tags)


def notification_block() -> str | None:
    """The Prefect block that results go to, as ``type/name``, if one is configured."""
    return settings().notify_block or (WEBHOOK_BLOCK if settings().notify_webhook_url else None)


def model_service() -> ModelService:
    return ModelService(settings().serving_url, settings().serving_reload_token.get_secret_value())
