"""The gate, as a step: the candidate beside the champion, the baselines and every slice."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from contract import ContractError
from contract.booster import LoadedModel, load
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from trainer.flows.handover import Candidate, FeatureSet, Registered
from trainer.flows.outside import registry, training_run
from trainer.flows.retrying import RETRIES
from trainer.gate.judge import Contestant, judge
from trainer.gate.rendering import comparison_rows, markdown
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHAMPION, Registry
from trainer.usecases.trips.judging import holdout_of


@task(name="gate", task_run_name="gate", cache_policy=NO_CACHE, **RETRIES)
def gate(registered: Registered, candidate: Candidate, found: FeatureSet, terms: Terms, seed: int) -> Verdict:
    """Both models, each out of its bundle and through its own contract, on rows that neither has seen."""
    training, judged = pq.read_table(found.trips.training.path), pq.read_table(found.trips.holdout.path)
    champion, notes = _champion(registry(registered.model), judged)
    contestant = _contestant(registered.version, load(candidate.bundle), judged)
    verdict = judge(holdout_of(training, judged), contestant, champion, terms, seed, notes)
    _publish(verdict, candidate)
    get_run_logger().info("version %s %s: %s", registered.version, _outcome(verdict), verdict.reason)
    return verdict


def _champion(versions: Registry, judged: pa.Table) -> tuple[Contestant | None, list[str]]:
    """None, and the reason, where there is none that can be used."""
    version = versions.version_of(CHAMPION)
    if version is None:
        return None, []
    with TemporaryDirectory() as folder:
        try:
            return _contestant(version, load(versions.download(version, Path(folder))), judged), []
        except ContractError as error:
            return None, [f"the champion, version {version}, can't be used: {error}"]


def _contestant(version: str, model: LoadedModel, judged: pa.Table) -> Contestant:
    """Raises InvalidInput: the rows aren't what the model's contract takes."""
    return Contestant(version, model.predict(model.contract.matrix(judged)))


def _publish(verdict: Verdict, candidate: Candidate) -> None:
    """To Prefect's artifacts and to the run in MLflow."""
    text = markdown(verdict)
    create_markdown_artifact(text, key="gate", description=f"Version {verdict.candidate} {_outcome(verdict)}")
    create_table_artifact(comparison_rows(verdict), key="gate-comparisons", description="What it must beat")
    run = training_run(candidate.run_id)
    with TemporaryDirectory() as folder:
        (Path(folder) / "verdict.md").write_text(text)
        (Path(folder) / "verdict.json").write_text(verdict.model_dump_json(indent=1))
        run.log_files(Path(folder), "gate")
    run.log_metrics({f"gate_rmse_of_{_name(found.against)}": found.rmse for found in verdict.comparisons})


def _name(against: str) -> str:
    """As a metric's name may be."""
    return "".join(letter if letter.isalnum() else "_" for letter in against)


def _outcome(verdict: Verdict) -> str:
    return "may be promoted" if verdict.promotes else "is refused"
