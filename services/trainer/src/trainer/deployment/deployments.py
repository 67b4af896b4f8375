"""The work pool, and the deployments with their schedules."""

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from trainer.worker import launcher

WORK_POOL = "training"

JOB = {
    "job_configuration": {
        # by its path and without site-packages, it starts in milliseconds
        "command": shlex.join([sys.executable, "-I", "-S", launcher.__file__]),
        "stream_output": True,
    },
    # none: whoever may start a run says what it computes, not which command or environment the worker runs it with
    "variables": {"type": "object", "properties": {}},
}
"""What the worker does for each flow run."""


@dataclass(frozen=True)
class Deployment:
    """A flow that people and schedules can start."""

    flow: str
    name: str
    entrypoint: str
    """Module and function."""
    description: str
    cron: str | None = None
    """In UTC; None for one that only people start."""
    concurrency: int | ConcurrencyLimitConfig | None = 1
    """Runs at the same time; None for any number. Those beyond wait, unless it says otherwise."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What its runs have unless they say otherwise."""
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Values that a parameter may have, for the form."""

    @property
    def full_name(self) -> str:
        return f"{self.flow}/{self.name}"

    @property
    def module(self) -> str:
        return self.entrypoint.rpartition(".")[0]


DEPLOYMENTS = (
    Deployment(
        "ingest",
        "trips",
        "trainer.flows.ingest.ingest",
        "Loads the newest months of trips into the warehouse; months that it has are skipped.",
        cron="0 3 * * *",
    ),
    Deployment(
        "train",
        "trip-duration",
        "trainer.flows.train.train",
        "Trains on the newest months, registers the model, and has the service take it if the gate lets it pass.",
        cron="0 4 * * *",
    ),
    # the rollouts' own lock says whether a second one waits or is refused, as its parameter wants it
    Deployment(
        "promote",
        "trip-duration",
        "trainer.flows.promote.promote",
        "Makes a registered version champion if the gate lets it pass; a dry run only shows what the gate says.",
        concurrency=None,
    ),
    Deployment(
        "rollback",
        "trip-duration",
        "trainer.flows.rollback.rollback",
        "Has every replica serve the version before, or a named one, again.",
        concurrency=None,
    ),
    # decisions wait for each other
    Deployment(
        "respond",
        "trip-duration",
        "trainer.flows.respond.respond",
        "After an alarm: has a training begin on the newest months, within the cool-down and the daily limit.",
        concurrency=None,
    ),
    Deployment(
        "outcomes",
        "trips",
        "trainer.flows.outcomes.outcomes",
        "Finds the trips that predictions were about in the months that are loaded: what really came of them.",
        cron="30 3 * * *",
    ),
    Deployment(
        "retain",
        "predictions",
        "trainer.flows.retain.retain",
        "Drops predictions, and their outcomes, that are older than they are to be kept.",
        cron="30 2 * * *",
    ),
    Deployment(
        "reconcile",
        "trip-duration",
        "trainer.flows.reconcile.reconcile",
        "Brings what is written down to what holds: rollouts whose driver died, an alias that was moved by hand, "
        "trainings that crashed, which are started again once.",
        cron="*/5 * * * *",
        # while the worker is away runs fall due, of which one does the work of all
        concurrency=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
    ),
    Deployment(
        "monitor",
        "trip-duration",
        "trainer.flows.monitor.monitor",
        "Holds what was asked and answered lately against what the champion was trained on and promised.",
        # a second run waits rather than be cancelled: a person may have asked for it, about another window
        cron="30 * * * *",
    ),
    Deployment(
        "deploy",
        "use-cases",
        "trainer.flows.tables.deploy.deploy",
        "Deploys the use cases of the folder usecases/, and takes away those that are gone.",
        cron="*/10 * * * *",
        concurrency=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
    ),
    Deployment(
        "replay",
        "trip-duration",
        "trainer.flows.replay.replay",
        "Has months of the past happen again in minutes: their trips are asked for, monitored, and learnt from.",
    ),
)


REGULAR = "regular"
"""How the name of a declared schedule begins; a person may have added others."""


def create_work_pool(prefect: SyncPrefectClient) -> None:
    """A pool whose worker runs each flow as a process of its own, made or brought up to date."""
    try:
        found = prefect.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        prefect.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=JOB))
        return
    if found.base_job_template != JOB:
        prefect.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=JOB))


def deploy(deployment: Deployment, prefect: SyncPrefectClient) -> None:
    """Creates a deployment or brings it up to date.

    A schedule that a person paused or changed stays so, until another one is declared.
    """
    before = _read(deployment, prefect)
    wanted = load_flow_from_entrypoint(deployment.entrypoint).to_deployment(
        deployment.name,
        schedules=[Cron(deployment.cron, slug=_slug(deployment.cron))] if deployment.cron and before is None else None,
        concurrency_limit=deployment.concurrency,
        description=deployment.description,
        parameters=dict(deployment.parameters),
        # the package as it is installed: neither copied nor executed a second time
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    _offer(deployment, wanted)  # type: ignore[arg-type]
    wanted.apply(work_pool_name=WORK_POOL)  # type: ignore[union-attr]
    if before is not None:
        _keep_paused(before, prefect)
        _reschedule(deployment, before, prefect)


def _offer(deployment: Deployment, wanted: RunnerDeployment) -> None:
    """Shows the values that a parameter may have as a list to choose from."""
    properties = wanted._parameter_openapi_schema.properties  # noqa: SLF001  (Prefect has no other way to it)
    for name, values in deployment.choices.items():
        if name not in properties:
            continue
        described = properties[name]
        described.pop("anyOf", None)
        described |= {"type": "string", "enum": list(values)}


def _read(deployment: Deployment, prefect: SyncPrefectClient) -> DeploymentResponse | None:
    try:
        return prefect.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        return None


def _reschedule(deployment: Deployment, before: DeploymentResponse, prefect: SyncPrefectClient) -> None:
    """Puts the declared schedule in the place of one that was declared otherwise."""
    ours = [schedule for schedule in before.schedules if (schedule.slug or "").startswith(REGULAR)]
    wanted = [_slug(deployment.cron)] if deployment.cron else []
    if [schedule.slug for schedule in ours] == wanted:
        return
    for schedule in ours:
        prefect.delete_deployment_schedule(before.id, schedule.id)
    if deployment.cron:
        active = all(schedule.active for schedule in ours)
        regular = CronSchedule(cron=deployment.cron, timezone="UTC")
        declared = DeploymentScheduleCreate(schedule=regular, active=active, slug=_slug(deployment.cron))
        prefect.create_deployment_schedules(before.id, [declared])


def _slug(cron: str) -> str:
    """Names a schedule by what was declared, whatever a person makes of it later."""
    return f"{REGULAR}-{hashlib.sha256(cron.encode()).hexdigest()[:8]}"


def _keep_paused(before: DeploymentResponse, prefect: SyncPrefectClient) -> None:
    if before.paused:
        prefect.pause_deployment(before.id)
    for schedule in before.schedules:
        if not schedule.active:
            prefect.update_deployment_schedule(before.id, schedule.id, active=False)
