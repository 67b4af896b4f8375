"""What starts what: events, and what Prefect does on them.

Nothing here asks MLflow or the warehouse. An automation that a person paused stays so.
"""

import logging
from collections.abc import Iterable
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ActionTypes, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from trainer.deployment.deployments import WORK_POOL
from trainer.flows.events import DECAYED, DRIFTED, WANTED, resource

log = logging.getLogger("trainer.deploy")

DEFAULT = "trip-duration"
RECONCILE = f"reconcile/{DEFAULT}"

RESPONDING = "Respond to an alarm about the model"
TRAINING = "Train when a retraining is wanted"
RESTARTING = "Start a crashed training again"
TELL_OF_SILENT_WORKER = "Tell of a silent worker"

RETIRED = ("Mark runs whose process died as crashed", "Tell of runs whose process died")
"""Of earlier releases, and still in the Prefect of a stack that they deployed."""


def create_automations(prefect: SyncPrefectClient, block: str | None) -> list[str]:
    """Creates automations or brings them up to date; their names.

    Args:
        block: Notification block, as ``type/name``, for what no flow can tell of; None for no such messages.

    Raises:
        ObjectNotFound: a deployment isn't there.
    """
    months = ("source", "service", "months", "holdout_days", "retraining")
    wanted = [_respond(DEFAULT, prefect), _train(DEFAULT, months, prefect), _restart(DEFAULT, prefect)]
    document = _find(block, prefect) if block else None
    if document:
        wanted.append(_tell_of_silent_worker(document, prefect))
    else:
        _delete([TELL_OF_SILENT_WORKER], prefect)
    _delete(RETIRED, prefect)
    for automation in wanted:
        _save(automation, prefect)
    return [automation.name for automation in wanted]


def create_automations_of(use_case: str, prefect: SyncPrefectClient) -> None:
    """The same for a use case with a declaration."""
    parameters = ("source", "retraining")
    for automation in (_respond(use_case, prefect), _train(use_case, parameters, prefect), _restart(use_case, prefect)):
        _save(automation, prefect)


def delete_automations_of(use_case: str, prefect: SyncPrefectClient) -> None:
    _delete([_named(name, use_case) for name in (RESPONDING, TRAINING, RESTARTING)], prefect)


def _named(name: str, use_case: str) -> str:
    return name if use_case == DEFAULT else f"{name}: {use_case}"


def _respond(use_case: str, prefect: SyncPrefectClient) -> AutomationCore:
    return AutomationCore(
        name=_named(RESPONDING, use_case),
        description="Decides whether a retraining begins, within the cool-down and the daily limit.",
        trigger=EventTrigger(expect={DRIFTED, DECAYED}, match=_resource(resource(use_case))),
        actions=[_run(f"respond/{use_case}", prefect, event="{{ event.event }}", alarm="{{ event.payload }}")],
    )


def _train(use_case: str, names: Iterable[str], prefect: SyncPrefectClient) -> AutomationCore:
    return AutomationCore(
        name=_named(TRAINING, use_case),
        description="While it is paused, alarms are told of and start nothing.",
        trigger=EventTrigger(expect={WANTED}, match=_resource(resource(use_case))),
        actions=[_run(f"train/{use_case}", prefect, **{name: f"{{{{ event.payload.{name} }}}}" for name in names})],
    )


def _restart(use_case: str, prefect: SyncPrefectClient) -> AutomationCore:
    deployment = prefect.read_deployment_by_name(f"train/{use_case}").id
    return AutomationCore(
        name=_named(RESTARTING, use_case),
        description="Once, by the flow reconcile, which would find it within five minutes by itself.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match=_resource("prefect.flow-run.*"),
            match_related=_resource(f"prefect.deployment.{deployment}"),
        ),
        actions=[_run(RECONCILE, prefect)],
    )


def _tell_of_silent_worker(block: UUID, prefect: SyncPrefectClient) -> AutomationCore:
    pool = prefect.read_work_pool(WORK_POOL).id
    return AutomationCore(
        name=TELL_OF_SILENT_WORKER,
        trigger=EventTrigger(expect={"prefect.work-pool.not-ready"}, match=_resource(f"prefect.work-pool.{pool}")),
        actions=[_send(block, "No worker answers", f"The work pool {WORK_POOL} has no worker: due runs wait.")],
    )


def _resource(identity: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": identity})


def _run(deployment: str, prefect: SyncPrefectClient, **parameters: str) -> ActionTypes:
    """A template that is a whole parameter keeps the type of its value."""
    return RunDeployment(deployment_id=prefect.read_deployment_by_name(deployment).id, parameters=dict(parameters))


def _send(block: UUID, subject: str, body: str) -> ActionTypes:
    return SendNotification(block_document_id=block, subject=subject, body=body)


def _find(block: str, prefect: SyncPrefectClient) -> UUID | None:
    """None where it isn't there: who makes it in Prefect's UI needs a running stack for that."""
    kind, _, name = block.partition("/")
    try:
        return prefect.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        log.warning("prefect: no notification block %s yet", block)
        return None


def _delete(names: Iterable[str], prefect: SyncPrefectClient) -> None:
    for name in names:
        for found in prefect.read_automations_by_name(name):
            prefect.delete_automation(found.id)


def _save(wanted: AutomationCore, prefect: SyncPrefectClient) -> None:
    """Leaves one alone that is as wanted: an update would forget which events it has had."""
    found = prefect.read_automations_by_name(wanted.name)
    if not found:
        Automation(**wanted.model_dump()).create()
    elif _contents(found[0]) != _contents(wanted):
        Automation(**wanted.model_dump(exclude={"enabled"}), enabled=found[0].enabled, id=found[0].id).update()


def _contents(automation: AutomationCore) -> dict[str, object]:
    # as Python's values: in JSON a set of events is a list, in an order that differs by chance
    return automation.model_dump(include={"description", "trigger", "actions"})
