"""The flow ``train``: from months of trips to a model that is served, or to a reasoned refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
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
from trainer.flows.handover import Decision, FeatureSet
from trainer.flows.ingest import ingest, newest_months
from trainer.flows.outside import (
    connected_warehouse,
    is_champion,
    kept_folders,
    settings,
    start_training_run,
)
from trainer.flows.plan import Holdout, HoldoutDays, Plan, plan_named, plan_newest
from trainer.flows.report import Report
from trainer.flows.steps.judgement import gate as judge
from trainer.flows.steps.model import evaluate, register
from trainer.flows.steps.model import train as train_model
from trainer.flows.steps.preparation import checkpoint, clean, extract, features
from trainer.flows.steps.reference import keep_reference
from trainer.flows.steps.release import notify, refuse, roll_out
from trainer.flows.steps.retraining import end_retraining
from trainer.flows.steps.search import search as search_parameters
from trainer.flows.steps.serve import unless_champion_changes
from trainer.gate.terms import Terms
from trainer.modelling.examples import split_at
from trainer.modelling.parameters import Boosting
from trainer.registry.runs import FLOW_RUN, TrainingRun
from trainer.search.terms import Search
from trainer.usecases.trips.fields import MODEL_NAME

DEFAULT_BOOSTING = Boosting()
DEFAULT_SEARCH = Search()
DEFAULT_TERMS = Terms()


@flow(name="train", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def train(
    source: SourceName | None = None,
    tlc_location: str | None = None,
    service: Service = "green",
    months: MonthsText | None = None,
    last_months: Annotated[int, Field(ge=1, le=36)] = 2,
    holdout: MonthText | None = None,
    holdout_days: HoldoutDays | None = None,
    boosting: Boosting = DEFAULT_BOOSTING,
    search: Search = DEFAULT_SEARCH,
    gate: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
    retraining: int | None = None,
) -> State[Any]:
    """Trains on months of taxi trips, registers the model, and has the service take it if the gate lets it pass.

    Args:
        source: Where months come from; empty for the deployment's setting.
        tlc_location: Base URL or folder of the TLC's monthly files; empty for the deployment's setting.
        service: Green or yellow taxis.
        months: Training months, such as 2021-01 or 2021-01..2021-03; empty for the last ones before the holdout.
        last_months: How many months to train on if none are named.
        holdout: Month that judges the model and that training never sees; empty for the month after, or the newest.
        holdout_days: Judge on the last so many days of the last training month instead; training sees the days before.
        boosting: XGBoost's parameters.
        search: Whether to look for better parameters first, and for how long.
        gate: What the model has to show to be promoted.
        seed: Of everything random in training.
        retraining: Number in the table retrainings, if an alarm began this; empty for any other training.
    """
    origin = source or settings().source
    plan = _plan(origin, tlc_location, service, months, last_months, holdout, holdout_days)
    get_run_logger().info("%s %s taxis, months %s", origin, service, plan)
    remove_older(kept_folders(), KEPT + timedelta(days=1))
    found = _prepare(_loaded(origin, tlc_location, service, plan), plan.holdout)
    with _logged(origin, service, plan, found) as run:
        chosen = _searched(run, found, boosting, search, seed)
        candidate = train_model(run.id, found, chosen, seed)
        evaluation = evaluate(candidate, found)
        keep_reference(candidate, found, evaluation, seed)
        registered = register(candidate, found, evaluation)

        def decide() -> Decision:
            verdict = judge(registered, candidate, found, origin, service, plan.holdout, gate, seed)
            return roll_out(registered, verdict, candidate, found) if verdict.promotes else refuse(registered, verdict)

        decision = unless_champion_changes(decide)
    report = Report(
        plan,
        found,
        evaluation,
        registered,
        decision,
        settings().mlflow_ui_url,
        run.experiment_id,
        is_champion(MODEL_NAME),
        "trips",
        "Months",
        "minutes",
    )
    create_markdown_artifact(report.markdown, key="training-report", description=report.subject)
    if retraining is not None:
        end_retraining(MODEL_NAME, retraining, decision, return_state=True)
    # a message that doesn't arrive is shown as a failed task; the training it tells of has succeeded
    notify(report.subject, report.summary, return_state=True)
    return Completed(message=f"{report.subject}: {decision.reason}")


def _searched(run: TrainingRun, found: FeatureSet, given: Boosting, search: Search, seed: int) -> Boosting:
    """The parameters that a search finds, or the given ones where none is wanted."""
    trials = settings().search_trials if search.trials is None else search.trials
    return search_parameters(run.id, found, given, trials, search.seconds, search.parallel, seed) if trials else given


def _plan(
    origin: SourceName,
    tlc_location: str | None,
    service: Service,
    months: str | None,
    last_months: int,
    holdout: str | None,
    holdout_days: int | None,
) -> Plan:
    named = months or (None if holdout else settings().months or None)
    # a month of its own is no holdout where days are
    judged_on = holdout or (None if months or holdout_days else settings().holdout or None)
    if named:
        return plan_named(named, judged_on, holdout_days)
    find = partial(newest_months, origin, tlc_location, service)
    return plan_newest(find, last_months, judged_on, holdout_days)


def _loaded(origin: SourceName, tlc_location: str | None, service: Service, plan: Plan) -> list[Load]:
    """The plan's months in the warehouse, the absent ones ingested first; all, if a place to look is named."""
    wanted = plan.months
    with connected_warehouse() as connection:
        present = {load.month for load in loads(connection, origin, service, wanted)}
    due = [str(month) for month in wanted if tlc_location or month not in present]
    if due:
        ingest(source=origin, tlc_location=tlc_location, service=service, months=due)
    with connected_warehouse() as connection:
        return loads(connection, origin, service, wanted)


def _prepare(months: list[Load], judged_on: Holdout) -> FeatureSet:
    """The last of the months is the holdout, or has it at its end."""
    tables = [
        extract.submit(load.source, load.service, str(load.month), f"{load.sha256} of {load.loaded_at.isoformat()}")
        for load in months
    ]
    *training, holdout = [table.result() for table in tables]
    if judged_on.days:
        earlier, holdout = split_at(holdout, "pickup_at", judged_on.start)
        training.append(earlier)
    trips = clean(checkpoint("training", training), checkpoint("holdout", [holdout]))
    found = features(trips)
    # the cache may know of files that a person has removed
    return found if found.contract_path.is_file() else features.with_options(refresh_cache=True)(trips)


@contextmanager
def _logged(origin: SourceName, service: Service, plan: Plan, found: FeatureSet) -> Iterator[TrainingRun]:
    """A run in MLflow, ended as FINISHED or FAILED."""
    used = found.rows
    tags = {
        "git_commit": settings().git_commit,
        "source": origin,
        "service": service,
        "months": ",".join(map(str, plan.training)),
        "holdout": str(plan.holdout),
        **({"holdout_days": str(plan.holdout.days)} if plan.holdout.days else {}),
        "rows": str(used.training.rows),
        "holdout_rows": str(used.holdout.rows),
        FLOW_RUN: str(runtime.flow_run.id),
    }
    run = start_training_run(MODEL_NAME, f"{service} {plan}", tags)
    try:
        for context, rows in (("training", used.training), ("holdout", used.holdout)):
            run.log_dataset(f"trips-{context}", rows.digest, {"source": origin, "service": service}, rows.rows, context)
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
