"""From an alarm to the event that starts a training, and what became of it."""

from datetime import timedelta

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from pydantic import BaseModel

from trainer.data import warehouse
from trainer.flows.actor import this_run
from trainer.flows.events import WANTED, resource
from trainer.flows.handover import Decision
from trainer.flows.outside import connected_warehouse, registry
from trainer.flows.plan import NoPlan
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.steps.judgement import service_of, source_of
from trainer.registry.champion import CHAMPION, LearntFrom, NoSuchVersion
from trainer.retraining.alarm import Alarm, Wanted, as_range, newest_months
from trainer.retraining.decision import Outcome, Retraining
from trainer.retraining.history import PostgresRetrainings
from trainer.usecases.trips.fields import MODEL_NAME


@task(
    name="plan retraining",
    task_run_name="plan retraining",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(NoPlan, NoSuchVersion),
    **RETRIES,
)
def plan_retraining(version: str | None, last_months: int, holdout_days: int) -> Wanted:
    """The newest months of the source that the version, or else the champion, was trained on.

    Raises:
        NoPlan: the warehouse has none.
    """
    versions = registry(MODEL_NAME)
    alarming = version or versions.version_of(CHAMPION)
    learnt = versions.learnt_from(alarming) if alarming else LearntFrom(None, None, [])
    source, service = source_of(learnt), service_of(learnt)
    with connected_warehouse() as connection:
        months = newest_months(warehouse.available_months(connection, source, service), last_months)
    if not months:
        raise NoPlan(f"the warehouse has no month of {source} {service} taxis; run the flow ingest")
    return Wanted(source=source, service=service, months=as_range(months), holdout_days=holdout_days)


# not tried again: the first try may have been written down although its answer got lost
@task(name="decide", task_run_name="decide", cache_policy=NO_CACHE)
def decide(
    model: str, event: str, alarm: Alarm, wanted: BaseModel, cool_down: timedelta, daily_limit: int
) -> Retraining:
    """Whether a retraining begins, written down with its reason."""
    with connected_warehouse() as connection:
        found = PostgresRetrainings(connection, model).decide(
            event, alarm.model_dump(mode="json"), wanted.model_dump(), this_run(), cool_down, daily_limit
        )
    get_run_logger().info("retraining %s: %s, %s", found.id, found.outcome, found.reason)
    return found


@task(name="ask for training", task_run_name="ask for training", cache_policy=NO_CACHE)
def ask_for_training(model: str, retraining: int, wanted: BaseModel) -> None:
    """Emits the event on which an automation starts the training. Should it get lost, ``reconcile`` ends the row."""
    payload = {**wanted.model_dump(), "retraining": retraining}
    emit_event(event=WANTED, resource={"prefect.resource.id": resource(model)}, payload=payload)


@task(name="end retraining", task_run_name="end retraining", cache_policy=NO_CACHE, **RETRIES)
def end_retraining(model: str, retraining: int, decision: Decision) -> None:
    """Writes down how it ended."""
    outcome: Outcome = "promoted" if decision.promoted else "refused"
    with connected_warehouse() as connection:
        PostgresRetrainings(connection, model).end(
            retraining, outcome, f"version {decision.version}: {decision.reason}"
        )
