"""The work pool, and the deployments with their schedules."""

from dataclasses import dataclass
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron

import trainer

WORK_POOL = "training"
SOURCE = Path(trainer.__file__).parent.parent
"""Where the worker finds the flows' code: the package as it is installed."""


@dataclass(frozen=True)
class Deployment:
    """A flow that people and schedules can start."""

    flow: str
    name: str
    entrypoint: str
    """File and function, from ``SOURCE``."""
    cron: str
    """In UTC."""
    description: str

    @property
    def full_name(self) -> str:
        return f"{self.flow}/{self.name}"


DEPLOYMENTS = (
    Deployment(
        "ingest",
        "trips",
        "trainer/flows/ingest.py:ingest",
        "0 3 * * *",
        "Loads the newest months of trips into the warehouse; months that it has are skipped.",
    ),
    Deployment(
        "train",
        "trip-duration",
        "trainer/flows/train.py:train",
        "0 4 * * *",
        "Trains on the newest months, registers the model, and has the service take it if the gate lets it pass.",
    ),
)


def create_work_pool(prefect: SyncPrefectClient) -> None:
    """A pool whose worker runs each flow as a process of its own."""
    try:
        prefect.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        prefect.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))


def deploy(deployment: Deployment, prefect: SyncPrefectClient) -> None:
    """Creates a deployment or brings it up to date; schedules that a person paused or changed stay so."""
    before = _read(deployment, prefect)
    flow = Flow.from_source(source=SOURCE, entrypoint=deployment.entrypoint)
    flow.deploy(  # type: ignore[union-attr]
        deployment.name,
        work_pool_name=WORK_POOL,
        schedules=[Cron(deployment.cron, slug="daily")] if before is None else None,
        concurrency_limit=1,
        description=deployment.description,
        print_next_steps=False,
        ignore_warnings=True,
    )
    if before is not None:
        _keep_paused(before, prefect)


def _read(deployment: Deployment, prefect: SyncPrefectClient) -> DeploymentResponse | None:
    try:
        return prefect.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        return None


def _keep_paused(before: DeploymentResponse, prefect: SyncPrefectClient) -> None:
    if before.paused:
        prefect.pause_deployment(before.id)
    for schedule in before.schedules:
        if not schedule.active:
            prefect.update_deployment_schedule(before.id, schedule.id, active=False)
