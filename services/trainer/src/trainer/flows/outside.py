"""What flows reach outside themselves, built from the settings: the only place where flows read them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from trainer.data.allowed import Allowed
from trainer.data.warehouse import Connection, connect
from trainer.modelling.parameters import Boosting
from trainer.registry.champion import PROMPT, Registry
from trainer.registry.runs import TrainingRun, client, unfinished
from trainer.registry.webhook import Webhook
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.notification import WEBHOOK_BLOCK
from trainer.rollout.parties import FindReplicas
from trainer.rollout.replica import HttpReplica
from trainer.rollout.replicas import find_replicas
from trainer.search import storage
from trainer.search.limit import Limit
from trainer.search.study import Study
from trainer.settings import Settings

GIVEN = "given"
"""Folder in the storage that `make train DATA=…` puts files into."""


@cache
def settings() -> Settings:
    return Settings(_secrets_dir=os.environ.get("CREDENTIALS_DIRECTORY"))


def allowed_locations() -> Allowed:
    """Where a run may read data from, whatever location its parameters name."""
    chosen = settings()
    return Allowed.of(chosen.data_hosts, chosen.data_folders, chosen.tlc_location, chosen.storage / GIVEN)


def kept_folders() -> list[Path]:
    """Where steps leave what only later steps and runs need: Prefect's results, and our files."""
    ours = settings().storage
    return [PREFECT_LOCAL_STORAGE_PATH.value(), *(ours / name for name in ("checkpoints", "features", "runs"))]


def spill_folder() -> Path:
    """Where rows lie that don't fit into memory, while they are worked on."""
    folder = settings().storage / "spill"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def downloads_folder(usecase: str) -> Path:
    """Where files are kept that a use case's sources have behind addresses."""
    folder = settings().storage / "downloads" / usecase
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def connected_warehouse() -> AbstractContextManager[Connection]:
    return connect(settings().warehouse_url.get_secret_value())


def kept_study(name: str, given: Boosting, seed: int, limit: Limit) -> AbstractContextManager[tuple[Study, bool]]:
    return storage.kept_study(settings().warehouse_url.get_secret_value(), name, given, seed, limit)


def registry(model: str) -> Registry:
    return Registry(client(settings().mlflow_tracking_uri), model)


def registry_webhook(model: str) -> Webhook:
    return Webhook(client(settings().mlflow_tracking_uri), model, settings().serving_url)


def prompt_registry(model: str) -> Registry:
    """For rollouts: their lock isn't held, and no lease runs out, while MLflow is waited for."""
    return Registry(client(settings().mlflow_tracking_uri), model, PROMPT)


def training_run(run_id: str) -> TrainingRun:
    return TrainingRun(client(settings().mlflow_tracking_uri), run_id)


def start_training_run(experiment: str, name: str, tags: Mapping[str, str]) -> TrainingRun:
    return TrainingRun.start(client(settings().mlflow_tracking_uri), experiment, name, tags)


def unfinished_training_runs(experiment: str) -> dict[str, str]:
    """As ``runs.unfinished``."""
    return unfinished(client(settings().mlflow_tracking_uri), experiment)


def notification_block() -> str | None:
    """The Prefect block that results go to, as ``type/name``, if one is configured."""
    return settings().notify_block or (WEBHOOK_BLOCK if settings().notify_webhook_url else None)


@contextmanager
def ledger(model: str) -> Iterator[PostgresLedger]:
    """The ledger on a connection of its own: the lock of rollouts lasts no longer than that."""
    with connected_warehouse() as connection:
        yield PostgresLedger(connection, model)


def replicas_of(model: str) -> FindReplicas:
    """How the replicas that serve a model are found: of a model that the service doesn't serve there are none."""
    return replicas if model == settings().usecase else list


def is_champion(model: str) -> str:
    """What to say of a version of the model that has become champion."""
    served = settings().usecase
    return "is champion and served" if model == served else f"is champion; the service serves {served}"


def replicas() -> list[HttpReplica]:
    return find_replicas(settings().serving_url, settings().serving_reload_token.get_secret_value())
