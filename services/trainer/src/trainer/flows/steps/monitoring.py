"""From recorded predictions to a monitoring that people and automations see."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from contract import ContractError, bundle
from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from trainer.flows.outside import connected_warehouse, registry, replicas, settings, start_training_run
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.usecases import slices_of
from trainer.monitoring import recorded
from trainer.monitoring.assess import Assessment, Seen, assess
from trainer.monitoring.journal import Journal
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.monitoring import Monitoring, Window
from trainer.monitoring.reference import FOLDER, Reference
from trainer.monitoring.rendering import alarm_rows, markdown, subject
from trainer.monitoring.terms import Terms
from trainer.monitoring.traffic import Counts, Series, Traffic, read_counters, since
from trainer.registry.champion import NoSuchVersion
from trainer.registry.runs import ExperimentDeleted
from trainer.rollout.errors import Refused, Unavailable

TELLING = ("field", "prediction", "feature", "error", "traffic")
"""Kinds of measurements that become metrics in MLflow; there may be hundreds of slices."""


@task(name="count", task_run_name="count", cache_policy=NO_CACHE)
def count() -> tuple[dict[Series, float], list[str]]:
    """What all replicas have counted; nothing, and the reason, where one of them can't be asked."""
    counted: dict[Series, float] = {}
    try:
        for replica in replicas():
            counted |= read_counters(replica.address, replica.metrics())
    except (Unavailable, Refused) as error:
        get_run_logger().warning("no traffic is told: %s", error)
        return {}, [f"no traffic is told: {error}"]
    return counted, []


@task(
    name="assess",
    task_run_name="assess version {version}",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(ContractError, NoSuchVersion),
    **RETRIES,
)
def assess_version(
    model: str,
    version: str,
    window: Window,
    counted: Counts,
    notes: list[str],
    terms: Terms,
    least_rows: int,
    seed: int,
) -> Assessment:
    """The version's predictions beside its reference.

    Args:
        counted: what the replicas have counted by now; empty if they couldn't be asked.
        notes: why that is so.
    """
    versions = registry(model)
    with TemporaryDirectory() as folder:
        contract = bundle.read(versions.download(version, Path(folder) / "bundle")).contract
        kept = versions.download_of_run(version, FOLDER, Path(folder))
        reference = None if kept is None else Reference.read(kept)
    with connected_warehouse() as connection:
        seen = Seen(
            asked=recorded.predictions(connection, contract, version, window),
            judged=recorded.outcomes(connection, contract, version, window),
            days=recorded.days(connection, model, window),
            traffic=_traffic(Journal(connection, model), counted),
            notes=notes,
        )
    return assess(contract, version, window, reference, seen, partial(slices_of, model), terms, least_rows, seed)


def _traffic(journal: Journal, counted: Counts) -> Traffic | None:
    if not counted:
        return None
    before = journal.last_counts()
    return Traffic.of(since(before[1] if before else {}, counted))


@task(name="log", task_run_name="log", cache_policy=NO_CACHE, **RETRIES)
def log(assessment: Assessment) -> str | None:
    """A run in MLflow beneath the one that trained the version; its id. None where there can be no runs: what is told
    of the model is told elsewhere too."""
    # Matplotlib takes most of a second to import; where flows are only deployed nothing is drawn
    from trainer.monitoring.page import page

    monitoring = assessment.monitoring
    tags = {
        "monitoring_of": monitoring.version,
        "verdict": monitoring.verdict,
        "since": monitoring.window.since.isoformat(),
        "until": monitoring.window.until.isoformat(),
        "prefect_flow_run": str(runtime.flow_run.id),
    }
    parent = registry(monitoring.model).run_of(monitoring.version)
    try:
        run = start_training_run(
            monitoring.model,
            f"monitoring of version {monitoring.version}",
            tags | ({"mlflow.parentRunId": parent} if parent else {}),
        )
    except ExperimentDeleted as error:
        get_run_logger().warning("no run in MLflow: %s", error)
        return None
    run.log_metrics({_name(m): m.value for m in monitoring.measurements if m.kind in TELLING and m.value is not None})
    with TemporaryDirectory() as folder:
        (Path(folder) / "report.html").write_text(page(assessment))
        (Path(folder) / "report.md").write_text(markdown(monitoring))
        (Path(folder) / "monitoring.json").write_text(monitoring.model_dump_json(indent=1))
        run.log_files(Path(folder), FOLDER)
    run.end("FINISHED")
    return run.id


def _name(measurement: Measurement) -> str:
    """As a metric's name may be: letters, digits and a few signs."""
    name = f"{measurement.kind}/{measurement.name}/{measurement.measure}"
    return "".join(letter if letter.isalnum() or letter in "/_-. " else "_" for letter in name)


@task(name="record", task_run_name="record", cache_policy=NO_CACHE, **RETRIES)
def record(monitoring: Monitoring, counted: Counts, run_id: str | None) -> Monitoring:
    """Into the warehouse; the monitoring with its id there."""
    with connected_warehouse() as connection:
        return Journal(connection, monitoring.model).write(monitoring, counted, run_id)


@task(name="publish", task_run_name="publish", cache_policy=NO_CACHE, **RETRIES)
def publish(monitoring: Monitoring, run_id: str | None) -> None:
    """To Prefect's artifacts and the run's log."""
    text = markdown(monitoring)
    if run_id is not None:
        experiment = registry(monitoring.model).mlflow.get_run(run_id).info.experiment_id
        run_url = f"{settings().mlflow_ui_url}/#/experiments/{experiment}/runs/{run_id}"
        text += f"\n[Report with pictures in MLflow]({run_url}/artifacts/{FOLDER}/report.html)\n"
    create_markdown_artifact(text, key="monitoring", description=subject(monitoring))
    create_table_artifact(alarm_rows(monitoring), key="monitoring-alarms", description="What raised an alarm")
    get_run_logger().info("%s", subject(monitoring))
