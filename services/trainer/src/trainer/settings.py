"""Everything about a deployment of the trainer, read from the environment and from files of secrets."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables ``TRAINER_…``; names that belong to another program or service stay as they are. Each may
    be a file of that name in a folder of secrets instead."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_", frozen=True)

    warehouse_url: SecretStr
    """Where trips are kept, as ``postgresql://user@host:port/warehouse``; the file ``PGPASSFILE`` has the password."""

    storage: Path
    """A folder for downloads, Parquet checkpoints and features, shared by all workers."""

    migrations: Path = Path("infra/postgres/warehouse/alembic.ini")
    """Alembic's configuration of the warehouse's schema."""

    usecases: Path = Path("usecases")
    """The folder of all use cases. Paths in their files are relative to the folder that it lies in."""

    usecase: str = Field(default="trip-duration", validation_alias="SERVING_MODEL_NAME")
    """The use case whose model the service serves, and which is trained first."""

    first_training: bool = True
    """Train once, when deploying, if no model is champion yet."""

    source: Literal["synthetic", "tlc"] = "synthetic"
    """The data source that flows use unless a run says otherwise."""

    tlc_location: str = "https://d37ci6vzurychx.cloudfront.net/trip-data"
    """Base URL or folder of the monthly files."""

    data_hosts: str = ""
    """Hosts that a run's location may name beside that of ``tlc_location``, by commas: ``host`` or ``host:port``; one
    that is named may have a private address. ``*`` is any with a public one."""

    data_folders: str = ""
    """Folders that a run's location may name, or lie below, beside ``tlc_location``, by commas."""

    months: str = ""
    """Training months of the first training and the default of later ones: ``2021-01`` or ``2021-01..2021-03``; empty
    for the newest that the source has."""

    holdout: str = ""
    """Holdout month of the same; empty for the month after the training months."""

    search_trials: int = Field(default=0, ge=0, le=1_000)
    """How many parameters a training tries unless its run says otherwise; 0 for no search."""

    mlflow_tracking_uri: str = Field(validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's tracking server and registry."""

    mlflow_ui_url: str = "http://127.0.0.1:5000"
    """Where a person's browser finds MLflow: links in reports and notifications."""

    serving_url: str
    """The model service; each address that its host name has is a replica."""

    serving_reload_token: SecretStr = Field(validation_alias="SERVING_RELOAD_TOKEN")
    """Bearer token of the service's ``/reload`` and ``/rollout``."""

    serving_webhook_secret: SecretStr = Field(default=SecretStr(""), validation_alias="SERVING_WEBHOOK_SECRET")
    """MLflow signs with it what its registry tells the service; empty: it tells nothing, and the service polls."""

    notify_webhook_url: str = ""
    """Where results of training runs are posted; kept in Prefect as the block ``custom-webhook/training``."""

    notify_block: str = ""
    """A Prefect notification block to use instead, as ``slack-webhook/name``."""

    retraining_cool_down_hours: float = Field(default=6, ge=0)
    """From the beginning of one retraining after an alarm to that of the next."""

    retrainings_a_day: int = Field(default=2, ge=0)
    """Retrainings after alarms that may begin within 24 hours; 0 for none."""

    retraining_holdout_days: int = Field(default=7, ge=1, le=27)
    """Days at the end of the newest month that judge a retrained model and its champion."""

    prediction_days: int = Field(default=90, ge=1)
    """Days for which predictions and their outcomes are kept."""

    silent_run_seconds: int = Field(default=90, ge=35)
    """After so long without a heartbeat ``reconcile`` looks whether a flow run that is under way by its state is dead.
    The worker's runs send one each 30 s."""

    git_commit: str = Field(default="unknown", validation_alias="GIT_COMMIT")
    """The commit that the running code was built from, for the runs' tags."""
