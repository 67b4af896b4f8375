"""The gate, as a step: the candidate beside the champion, the baselines and every slice."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from contract import ContractError
from contract.booster import load
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from trainer.data import warehouse
from trainer.data.errors import DataError
from trainer.data.months import Month
from trainer.data.predictions import judged_pairs
from trainer.data.source import SERVICES, SOURCES, Service, SourceName
from trainer.flows.handover import Candidate, FeatureSet, Registered
from trainer.flows.judging import JudgingRows, held_back, judge_beside_champion
from trainer.flows.outside import connected_warehouse, registry, settings, training_run
from trainer.flows.plan import Holdout, plan_judging
from trainer.flows.retrying import RETRIES, unless
from trainer.gate.rendering import comparison_rows, markdown
from trainer.gate.seen import without_seen
from trainer.gate.terms import Terms
from trainer.gate.traffic import Traffic, beside_traffic
from trainer.gate.verdict import Verdict
from trainer.modelling.examples import split_at
from trainer.registry.artifacts import ForeignArtifacts
from trainer.registry.champion import LearntFrom, NoSuchVersion
from trainer.usecases.trips.clean import clean


@task(name="gate", task_run_name="gate", cache_policy=NO_CACHE, **RETRIES)
def gate(
    registered: Registered,
    candidate: Candidate,
    found: FeatureSet,
    source: SourceName,
    service: Service,
    holdout: Holdout,
    terms: Terms,
    seed: int,
) -> Verdict:
    """Both models, each out of its bundle and through its own contract, on rows that neither has seen.

    Where the champion has seen so much of the holdout that too little is left, all of it judges; the verdict says so.
    """
    training = pq.read_table(found.rows.training.path)
    judged = JudgingRows(source, service, holdout, pq.read_table(found.rows.holdout.path))
    verdict = judge_beside_champion(
        registry(registered.model), registered.version, load(candidate.bundle), training, judged, terms, seed, []
    )
    publish_verdict(verdict)
    log_verdict(verdict, candidate)
    return verdict


@task(
    name="gate",
    task_run_name="gate version {version}",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(DataError, ContractError, ForeignArtifacts, NoSuchVersion),
    **RETRIES,
)
def gate_registered(
    model: str,
    version: str,
    source: SourceName | None,
    service: Service | None,
    holdout: str | None,
    terms: Terms,
    seed: int,
) -> Verdict:
    """The same for a version that is registered already, on the newest month of the warehouse or a named one.

    If its training held back that month's last days, these alone judge. Live traffic that both were asked about, and
    whose outcomes are known, can refuse it too.

    Args:
        source, service: Of the month; None for those that the version was trained on.
    """
    versions = registry(model)
    learnt = versions.learnt_from(version)
    chosen = source or source_of(learnt), service or service_of(learnt)
    with connected_warehouse() as connection:
        plan = plan_judging(warehouse.available_months(connection, *chosen), holdout, held_back(learnt))
        table = _clean(connection, *chosen, plan.holdout.month)
        training = _clean(connection, *chosen, plan.before) if plan.before else None
    if plan.holdout.days:
        training, table = split_at(table, "pickup_at", plan.holdout.start)
    judged = JudgingRows(*chosen, plan.holdout, table)
    notes = [] if plan.before else [f"no baselines: {plan.holdout.month.previous()} isn't in the warehouse"]
    with TemporaryDirectory() as folder:
        contender = load(versions.download(version, Path(folder)))
        verdict = judge_beside_champion(versions, version, contender, training, judged, terms, seed, notes)
    if judged.unseen_from(learnt) > plan.holdout.start:
        verdict = without_seen(verdict, str(plan.holdout.month))
    if verdict.champion:
        verdict = beside_traffic(verdict, _traffic(model, verdict.champion, version))
    get_run_logger().info("judged on %s %s taxis, %s", *chosen, plan.holdout)
    publish_verdict(verdict)
    return verdict


def _traffic(model: str, champion: str, candidate: str) -> Traffic:
    versions = registry(model)
    since = max(versions.made_at(champion), versions.made_at(candidate))
    with connected_warehouse() as connection:
        found = judged_pairs(connection, model, champion, candidate, since)
    return Traffic(actual=found[:, 0], champion=found[:, 1], candidate=found[:, 2])


def source_of(learnt: LearntFrom) -> SourceName:
    return next((name for name in SOURCES if name == learnt.source), settings().source)


def service_of(learnt: LearntFrom) -> Service:
    return next((name for name in SERVICES if name == learnt.service), "green")


def _clean(connection: warehouse.Connection, source: SourceName, service: Service, month: Month) -> pa.Table:
    return clean(warehouse.extract(connection, source, service, [month]))[0]


def publish_verdict(verdict: Verdict, key: str = "gate") -> None:
    """To Prefect's artifacts and the run's log."""
    outcome = f"Version {verdict.candidate} {'may be promoted' if verdict.promotes else 'is refused'}"
    create_markdown_artifact(markdown(verdict), key=key, description=outcome)
    create_table_artifact(comparison_rows(verdict), key=f"{key}-comparisons", description="What it must beat")
    get_run_logger().info("%s: %s", outcome, verdict.reason)


def log_verdict(verdict: Verdict, candidate: Candidate) -> None:
    """To the run in MLflow."""
    run = training_run(candidate.run_id)
    with TemporaryDirectory() as folder:
        (Path(folder) / "verdict.md").write_text(markdown(verdict))
        (Path(folder) / "verdict.json").write_text(verdict.model_dump_json(indent=1))
        run.log_files(Path(folder), "gate")
    run.log_metrics({f"gate_rmse_of_{_name(found.against)}": found.rmse for found in verdict.comparisons})
    run.log_metrics({"gate_rows": verdict.rows, "gate_rows_seen_by_champion": verdict.champion_saw})


def _name(against: str) -> str:
    """As a metric's name may be."""
    return "".join(letter if letter.isalnum() else "_" for letter in against)
