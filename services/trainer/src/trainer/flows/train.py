"""The flow ``train``: from months of trips to a model that is served, or to a reasoned refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.data.months import MonthsText, MonthText
from trainer.data.retention import remove_older
from trainer.data.source import Service, SourceName
from trainer.data.warehouse import Load, loads
from trainer.flows.caching import KEPT
from trainer.flows.failure import tell_of_failure
from trainer.flows.handover import Candidate, Decision, FeatureSet, Registered
from trainer.flows.ingest import ingest, newest_month
from trainer.flows.outside import (
    connected_warehouse,
    kept_folders,
    settings,
    start_training_run,
)
from trainer.flows.plan import Plan, plan_months
from trainer.flows.report import Report
from trainer.flows.steps.judgement import gate as judge
from trainer.flows.steps.model import evaluate, register
from trainer.flows.steps.model import train as train_model
from trainer.flows.steps.preparation import checkpoint, clean, extract, features
from trainer.flows.steps.reference import keep_reference
from trainer.flows.steps.release import notify, refuse, roll_out
from trainer.flows.steps.serve import unless_champion_changes
from trainer.gate.terms import Terms
from trainer.modelling.parameters import Boosting
from trainer.registry.runs import TrainingRun
from trainer.usecases.trips.fields import MODEL_NAME

DEFAULT_BOOSTING = Boosting()
DEFAULT_TERMS = Terms()


@flow(name="train", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def train(
    source: SourceName | None = None,
    tlc_location: str | None = None,
    service: Service = "green",
    months: MonthsText | None = None,
    last_months: Annotated[int, Field(ge=1, le=36)] = 2,
    holdout: MonthText | None = None,
    boosting: Boosting = DEFAULT_BOOSTING,
    gate: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
) -> State[Any]:
    """Trains on months of taxi trips, registers the model, and has the service take it if the gate lets it pass.

    Args:
        source: Where months come from; empty for the deployment's setting.
        tlc_location: Base URL or folder of the TLC's monthly files; empty for the deployment's setting.
        service: Green or yellow taxis.
        months: Training months, such as 2021-01 or 2021-01..2021-03; empty for the last ones before the holdout.
        last_months: How many months to train on if none are named.
        holdout: Month that judges the model and that training never sees; empty for the month after, or the newest.
        boosting: XGBoost's parameters.
        gate: What the model has to show to be promoted.
        seed: Of everything random in training.
    """
    origin = source or settings().source
    plan = _plan(origin, tlc_location, service, months, last_months, holdout)
    get_run_logger().info("%s %s taxis, months %s", origin, service, plan)
    remove_older(kept_folders(), KEPT + timedelta(days=1))
    found = _prepare(_loaded(origin, tlc_location, service, plan))
    with _logged(origin, service, plan, found) as run:
        candidate = train_model(run.id, found, boosting, seed)
        evaluation = evaluate(candidate, found)
        keep_reference(candidate, found, evaluation, seed)
        registered = register(candidate, found, evaluation)
        decision = unless_champion_changes(lambda: _decide(registered, candidate, found, gate, seed))
    report = Report(plan, found, evaluation, registered, decision, settings().mlflow_ui_url, run.experiment_id)
    create_markdown_artifact(report.markdown, key="training-report", description=report.subject)
    # a message that doesn't arrive is shown as a failed task; the training it tells of has succeeded
    notify(report.subject, report.summary, return_state=True)
    return Completed(message=f"{report.subject}: {decision.reason}")


def _decide(registered: Registered, candidate: Candidate, found: FeatureSet, terms: Terms, seed: int) -> Decision:
    verdict = judge(registered, candidate, found, terms, seed)
    return roll_out(registered, verdict, candidate, found) if verdict.promotes else refuse(registered, verdict)


def _plan(
    origin: SourceName,
    tlc_location: str | None,
    service: Service,
    months: str | None,
    last_months: int,
    holdout: str | None,
) -> Plan:
    named = months or (None if holdout else settings().months or None)
    judged_on = holdout or (None if months else settings().holdout or None)
    if named or judged_on:
        return plan_months(named, judged_on, last_months)
    return plan_months(None, str(newest_month(origin, tlc_location, service)), last_months)


def _loaded(origin: SourceName, tlc_location: str | None, service: Service, plan: Plan) -> list[Load]:
    """The plan's months in the warehouse, the absent ones ingested first; all, if a place to look is named."""
    wanted = [*plan.training, plan.holdout]
    with connected_warehouse() as connection:
        present = {load.month for load in loads(connection, origin, service, wanted)}
    due = [str(month) for month in wanted if tlc_location or month not in present]
    if due:
        ingest(source=origin, tlc_location=tlc_location, service=service, months=due)
    with connected_warehouse() as connection:
        return loads(connection, origin, service, wanted)


def _prepare(months: list[Load]) -> FeatureSet:
    """The last of the months is the holdout."""
    tables = [
        extract.submit(load.source, load.service, str(load.month), f"{load.sha256} of {load.loaded_at.isoformat()}")
        for load in months
    ]
    *training, holdout = [table.result() for table in tables]
    trips = clean(checkpoint("training", training), checkpoint("holdout", [holdout]))
    found = features(trips)
    # the cache may know of files that a person has removed
    return found if found.contract_path.is_file() else features.with_options(refresh_cache=True)(trips)


@contextmanager
def _logged(origin: SourceName, service: Service, plan: Plan, found: FeatureSet) -> Iterator[TrainingRun]:
    """A run in MLflow, ended as FINISHED or FAILED."""
    trips = found.trips
    tags = {
        "git_commit": settings().git_commit,
        "source": origin,
        "service": service,
        "months": ",".join(map(str, plan.training)),
        "holdout": str(plan.holdout),
        "rows": str(trips.training.rows),
        "holdout_rows": str(trips.holdout.rows),
        "prefect_flow_run": str(runtime.flow_run.id),
    }
    run = start_training_run(MODEL_NAME, f"{service} {plan}", tags)
    try:
        for context, rows in (("training", trips.training), ("holdout", trips.holdout)):
            run.log_dataset(f"trips-{context}", rows.digest, {"source": origin, "service": service}, rows.rows, context)
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
