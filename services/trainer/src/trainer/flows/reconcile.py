"""The flow ``reconcile``: what is written down is brought to what holds, also where nobody could write it down."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.flows.crashes import ended, is_deployed, restart_crashed, runs_of
from trainer.flows.forgetting import forget_runs, forget_workers
from trainer.flows.missed import skip_missed
from trainer.flows.outside import (
    connected_warehouse,
    ledger,
    prompt_registry,
    replicas_of,
    settings,
    training_run,
    unfinished_training_runs,
)
from trainer.flows.silence import DIED, end_silent
from trainer.flows.steps.release import notify
from trainer.flows.steps.webhook import keep_webhook
from trainer.retraining.history import PostgresRetrainings
from trainer.rollout.reconciliation import reconcile as settle_all
from trainer.usecase.folder import names
from trainer.usecases.trips.fields import MODEL_NAME

KEPT = timedelta(days=1)
"""Of its own runs, of which there are 288 a day, and of workers that are gone."""

UNHEARD = timedelta(minutes=10)
"""After which the event of a retraining must have started a run."""


def training_of(model: str) -> str:
    """The deployment that trains a model."""
    return f"train/{model}"


@flow(name="reconcile", retries=2, retry_delay_seconds=10)
def reconcile() -> State[Any]:
    """Completes the ledger of rollouts, leaves out what was due while the stack slept, ends runs whose process died and
    what they left open, and starts a crashed training again, once.

    The ledger gets rows of rollouts ended whose driver died, and one for an alias that was moved by hand. MLflow's
    webhook is kept; if that fails, the run says so and ends well, since polls do the same, only later.
    """
    models = [MODEL_NAME, *names(settings().usecases)]
    settled = [_settle_rollouts(model) for model in models]
    with get_client(sync_client=True) as prefect:
        skip_missed(prefect)
        _end_silent(prefect)
        for model in filter(lambda model: is_deployed(training_of(model), prefect), models):
            _end_dead_runs(model, prefect)
            _restart(model, prefect)
            _settle_retraining(model, prefect)
    webhook = keep_webhook(return_state=True)
    forget_runs("reconcile", KEPT)
    forget_workers(KEPT)
    said = "the ledger agrees with the registry" if all(settled) else "a rollout is under way"
    return Completed(message=said if webhook.is_completed() else f"{said}; MLflow's webhook: {webhook.message}")


def _settle_rollouts(model: str) -> bool:
    with ledger(model) as rollouts:
        return settle_all(prompt_registry(model), rollouts, replicas_of(model))


def _end_silent(prefect: SyncPrefectClient) -> None:
    """Flow runs that are under way by their state, and whose process is dead."""
    silence = timedelta(seconds=settings().silent_run_seconds)
    for run in end_silent(prefect, silence, UUID(str(runtime.flow_run.id))):
        get_run_logger().warning("%s: %s", run.name, DIED)
        if run.parent_task_run_id is None:
            flow_name = prefect.read_flow(run.flow_id).name
            notify(f"Flow {flow_name} crashed: run {run.name}", DIED, return_state=True)


def _end_dead_runs(model: str, prefect: SyncPrefectClient) -> None:
    """MLflow's runs whose flow run has ended without telling: of one that is alive, MLflow's ends first."""
    unfinished = unfinished_training_runs(model)
    over = ended(set(unfinished.values()), prefect)
    for run, flow_run in unfinished.items():
        if flow_run in over:
            get_run_logger().warning("MLflow's run %s: its flow run %s is over", run, over[flow_run].name)
            training_run(run).end("KILLED")


def _restart(model: str, prefect: SyncPrefectClient) -> None:
    for run in restart_crashed(training_of(model), prefect):
        get_run_logger().warning("%s crashed and is started again", run.name)
        notify(
            f"Flow train crashed: run {run.name} is started again",
            "Once; should it crash again, it stays so.",
            return_state=True,
        )


def _settle_retraining(model: str, prefect: SyncPrefectClient) -> None:
    """A retraining whose training has ended without saying how, or never began, isn't under way."""
    with connected_warehouse() as connection:
        retrainings = PostgresRetrainings(connection, model)
        pending = retrainings.under_way()
        if pending is None:
            return
        runs = [run for run in runs_of(training_of(model), prefect) if run.parameters.get("retraining") == pending.id]
        states = [run.state for run in runs if run.state]
        if states and all(state.is_final() for state in states):
            retrainings.end(pending.id, "failed", f"its training ended as {states[0].name}: {states[0].message}")
        elif not runs and pending.decided_at < datetime.now(UTC) - UNHEARD:
            retrainings.end(pending.id, "failed", "no training began: is the automation paused?")
