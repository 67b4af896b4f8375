"""Everything about a deployment of the model service, read from the environment and from files of secrets."""

import os
from pathlib import Path
from typing import Annotated

from contract.names import check_model_name
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables ``SERVING_…``; names that belong to another program stay as they are. Each may be a file of
    that name in the folder ``CREDENTIALS_DIRECTORY`` instead."""

    model_config = SettingsConfigDict(
        env_prefix="SERVING_", frozen=True, secrets_dir=os.environ.get("CREDENTIALS_DIRECTORY")
    )

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` inside a container."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """TCP port to listen on."""

    workers: int = Field(default=1, ge=1)
    """Processes that answer requests. All hold the same model."""

    store: Path
    """A folder of this replica's own that keeps the served models and what is served, for a start without registry."""

    keep_versions: int = Field(default=3, ge=2)
    """Model versions that stay in the store; the current and the previous one always do."""

    max_model_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """A model version of more bytes is refused. A process that loads one takes a few times as much memory."""

    model_name: Annotated[str, AfterValidator(check_model_name)] = "trip-duration"
    """The registered model that is served, also a folder's name in the store: see ``check_model_name``."""

    alias: str = Field(default="champion", min_length=1)
    """The alias that the service follows."""

    poll_seconds: float = Field(default=2, gt=0)
    """How often the registry is asked where the alias points."""

    reload_token: SecretStr = Field(min_length=1)
    """Bearer token of ``/reload`` and ``/rollout``."""

    webhook_secret: SecretStr = SecretStr("")
    """MLflow signs with it what it tells ``/registry/events``; empty: there is no such call, only polls."""

    allowed_hosts: str = "serving:*,localhost:*,127.0.0.1:*"
    """Names under which the service answers, with commas between them, as patterns of the header ``Host``."""

    allowed_origins: str = ""
    """Pages of other origins that may ask from a browser, as ``https://app.example``, with commas between them."""

    root_path: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """Below which a proxy serves it that takes this beginning off, as ``/duration``: for the links of ``/docs``."""

    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1)
    """A longer request body is refused."""

    max_batch_rows: int = Field(default=20_000, ge=1)
    """A batch of more rows is refused."""

    max_buffered_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """A worker that holds so much of request bodies refuses more until some are dealt with."""

    max_connections: int = Field(default=1000, ge=1)
    """Connections of a worker; requests on more are refused."""

    max_batches: int = Field(default=16, ge=1)
    """Batches of a worker under way and waiting; more are refused."""

    batch_processes: int = Field(default=1, ge=0)
    """Processes that do the batches for all workers. 0: each worker does its own, which delays its other requests."""

    batch_seconds: float = Field(default=60, gt=0)
    """A batch that takes longer is given up."""

    read_seconds: float = Field(default=30, gt=0)
    """A request that takes longer to arrive is refused; of an Arrow stream, one of its parts. So is a client given up
    that takes nothing of its answer for so long."""

    direct: bool = True
    """``/predict`` is answered without ASGI where nothing is unusual about the request. No difference but speed."""

    registry_connect_seconds: float = Field(default=3, gt=0)
    """Longest wait for a connection to the registry."""

    registry_read_seconds: float = Field(default=10, gt=0)
    """Longest silence of the registry within an answer."""

    swap_seconds: float = Field(default=60, gt=0)
    """Longest wait for another swap to end, and for all workers to load a model."""

    shutdown_seconds: int = Field(default=20, ge=0)
    """How long requests under way may take to end after SIGTERM."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """``DEBUG`` adds health checks and scrapes to the access log."""

    run_dir: Path | None = None
    """A folder below which the workers' sockets and counters lie while the service runs; by default in the store."""

    warehouse_url: SecretStr = SecretStr("")
    """The warehouse, ``postgresql://user@…``; the file ``PGPASSFILE`` has the password. ``/model/history`` shows its
    ledger of rollouts, and predictions and outcomes go there. Empty for none: then nothing is recorded."""

    record_share: float = Field(default=1, ge=0, le=1)
    """Share of the answers that are recorded in the warehouse."""

    shadow_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the recorded answers to one row that the challenger, if there is one, is asked too."""

    challenger_alias: str = Field(default="challenger", min_length=1)
    """The alias of the version that is compared."""

    spool_bytes: int = Field(default=1024**3, ge=1024**2)
    """Of the predictions and outcomes that wait in the store for the warehouse; beyond it no more are recorded."""

    stack: str = Field(default="", validation_alias="ROUNDHOUSE_STACK", pattern="^[\\x21-\\x7e]*$")
    """Identity of the stack that the service is of, for the header ``Roundhouse-Stack`` of ``/health/live``."""

    mlflow_tracking_uri: str = Field(validation_alias="MLFLOW_TRACKING_URI", pattern="^https?://")
    """MLflow's tracking server and registry."""

    otel_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """OpenTelemetry's collector, for OTLP over HTTP; empty for no traces."""
