"""The flow ``train`` of a use case that has a declaration: from its rows to a model that is served, or to a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.data.retention import remove_older
from trainer.flows.caching import KEPT
from trainer.flows.failure import tell_of_failure
from trainer.flows.handover import Decision, FeatureSet
from trainer.flows.outside import is_champion, kept_folders, settings, start_training_run
from trainer.flows.report import Report
from trainer.flows.steps.model import evaluate, register
from trainer.flows.steps.model import train as train_model
from trainer.flows.steps.reference import keep_reference
from trainer.flows.steps.release import notify, refuse, roll_out
from trainer.flows.steps.retraining import end_retraining
from trainer.flows.steps.search import search as search_parameters
from trainer.flows.steps.serve import unless_champion_changes
from trainer.flows.tables.ingest import ingest, source_of
from trainer.flows.tables.steps import Split, features, find_split, gate_table, prepare
from trainer.flows.usecases import find
from trainer.gate.terms import Terms
from trainer.modelling.parameters import Boosting
from trainer.registry.runs import FLOW_RUN, TrainingRun
from trainer.search.terms import Search
from trainer.usecase.declaration import Declaration

DEFAULT_SEARCH = Search()
DEFAULT_TERMS = Terms(least_rows=200, least_slice_rows=100, serves_first=True)
"""For tables of any size: the intervals say how little a small holdout says."""


@flow(name="train", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def train(
    usecase: str,
    source: str | None = None,
    periods: list[str] | None = None,
    holdout: list[str] | None = None,
    boosting: Boosting | None = None,
    search: Search = DEFAULT_SEARCH,
    gate: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
    retraining: int | None = None,
) -> State[Any]:
    """Trains a use case's model, registers it, and has the service take it if the gate lets it pass.

    Args:
        usecase: The use case's name.
        source: The source's name; empty for the first.
        periods: Training periods, such as 2021-01; empty for the newest before the holdout.
        holdout: Periods that judge the model and that training never sees; empty for the newest.
        boosting: XGBoost's parameters; empty for the declaration's.
        search: Whether to look for better parameters first, and for how long.
        gate: What the model has to show to be promoted.
        seed: Of everything random in training.
        retraining: Number in the table retrainings, if an alarm began this; empty for any other training.
    """
    declaration = find(usecase)
    name = source_of(declaration, source)
    remove_older(kept_folders(), KEPT + timedelta(days=1))
    ingest(usecase=usecase, source=name)
    split = find_split(usecase, name, periods, holdout)
    get_run_logger().info("%s, source %s: %s", usecase, name, split)
    rows = prepare(usecase, name, split)
    found = features(usecase, split.declared, rows)
    if not found.contract_path.is_file():
        found = features.with_options(refresh_cache=True)(usecase, split.declared, rows)
    with _logged(declaration, name, split, found) as run:
        chosen = _searched(run, found, boosting or declaration.train.boosting, search, seed)
        candidate = train_model(run.id, found, chosen, seed)
        evaluation = evaluate(candidate, found)
        keep_reference(candidate, found, evaluation, seed)
        registered = register(candidate, found, evaluation)

        def decide() -> Decision:
            verdict = gate_table(registered, candidate, found, name, split, gate, seed)
            return roll_out(registered, verdict, candidate, found) if verdict.promotes else refuse(registered, verdict)

        decision = unless_champion_changes(decide)
    report = Report(
        split,
        found,
        evaluation,
        registered,
        decision,
        settings().mlflow_ui_url,
        run.experiment_id,
        is_champion(usecase),
        unit=declaration.target.unit,
    )
    create_markdown_artifact(report.markdown, key=f"{usecase}-training", description=report.subject)
    if retraining is not None:
        end_retraining(usecase, retraining, decision, return_state=True)
    # a message that doesn't arrive is shown as a failed task; the training it tells of has succeeded
    notify(report.subject, report.summary, return_state=True)
    return Completed(message=f"{report.subject}: {decision.reason}")


def _searched(run: TrainingRun, found: FeatureSet, given: Boosting, search: Search, seed: int) -> Boosting:
    """The parameters that a search finds, or the given ones where none is wanted."""
    trials = settings().search_trials if search.trials is None else search.trials
    return search_parameters(run.id, found, given, trials, search.seconds, search.parallel, seed) if trials else given


@contextmanager
def _logged(declaration: Declaration, source: str, split: Split, found: FeatureSet) -> Iterator[TrainingRun]:
    """A run in MLflow, ended as FINISHED or FAILED."""
    used = found.rows
    tags = {
        "git_commit": settings().git_commit,
        "source": source,
        "months": ",".join(split.training),
        "holdout": ",".join(split.holdout),
        "rows": str(used.training.rows),
        "holdout_rows": str(used.holdout.rows),
        FLOW_RUN: str(runtime.flow_run.id),
    }
    run = start_training_run(declaration.name, str(split), tags)
    try:
        for context, rows in (("training", used.training), ("holdout", used.holdout)):
            run.log_dataset(f"{declaration.name}-{context}", rows.digest, {"source": source}, rows.rows, context)
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
