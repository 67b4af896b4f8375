"""From a registered version to one that is served, or to a refusal."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from contract import ContractError
from contract.booster import load
from contract.golden import requests_of
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.handover import Candidate, Decision, FeatureSet, Registered
from trainer.flows.outside import model_service, notification_block, registry
from trainer.flows.retrying import RETRIES, unless
from trainer.modelling.champion import compare
from trainer.registry.champion import CHALLENGER, CHAMPION, Registry
from trainer.rollout.notification import send
from trainer.rollout.service import NotServed, ReloadRefused

VERIFIED_ROWS = 100

UNLESS_REFUSED = unless(ReloadRefused, NotServed)


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, **RETRIES)
def promote(registered: Registered, candidate: Candidate, found: FeatureSet) -> Decision:
    """Champion if there is none or if it is better on the same holdout rows; challenger otherwise."""
    versions = registry(registered.model)
    before = versions.version_of(CHAMPION)
    if before == registered.version:  # an earlier try moved the alias and didn't live to say so
        tags = versions.tags(before)
        return Decision(
            version=before, promoted=True, champion_before=tags["champion_before"] or None, reason=tags["reason"]
        )
    better, reason = (True, "first model") if before is None else judge(versions, before, candidate, found)
    decision = "promoted" if better else "refused"
    versions.tag(registered.version, {"decision": decision, "reason": reason, "champion_before": before or ""})
    versions.give_alias(CHAMPION if better else CHALLENGER, registered.version)
    get_run_logger().info("version %s is %s: %s", registered.version, CHAMPION if better else CHALLENGER, reason)
    return Decision(version=registered.version, promoted=better, champion_before=before, reason=reason)


def judge(versions: Registry, champion: str, candidate: Candidate, found: FeatureSet) -> tuple[bool, str]:
    """Is the candidate better than the champion, and why."""
    with TemporaryDirectory() as folder:
        try:
            serving = versions.download(champion, Path(folder))
            comparison = compare(load(candidate.bundle), serving, pq.read_table(found.trips.holdout.path))
        except ContractError as error:
            return True, f"the champion, version {champion}, can't be used: {error}"
    return comparison.better, str(comparison)


@task(
    name="reload",
    task_run_name="reload",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_REFUSED,
    **RETRIES,
)
def reload(version: str) -> None:
    """Has every worker of the service swap to the version."""
    answer = model_service().reload(version)
    get_run_logger().info("service: %(from)s to %(to)s, generation %(generation)s", answer)


@task(
    name="verify",
    task_run_name="verify",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_REFUSED,
    **RETRIES,
)
def verify(version: str, candidate: Candidate, found: FeatureSet) -> None:
    """Proves that the service answers what the bundle computes offline."""
    bundle = load(candidate.bundle)
    rows = pq.read_table(found.trips.holdout.path).slice(0, VERIFIED_ROWS)
    offline = bundle.predict(bundle.contract.matrix(rows))
    model_service().verify(version, requests_of(bundle.contract, rows), [float(value) for value in offline])
    get_run_logger().info("service answers %s rows as computed offline", rows.num_rows)


@task(name="restore", task_run_name="restore", cache_policy=NO_CACHE, **RETRIES)
def restore(model: str, version: str, champion_before: str | None, reason: str) -> None:
    """Puts alias and service back to what they were before the roll-out of ``version`` failed."""
    versions = registry(model)
    versions.restore_champion(champion_before)
    versions.tag(version, {"decision": "taken back", "reason": reason})
    get_run_logger().warning("alias champion restored to %s", champion_before)
    if champion_before is not None:
        model_service().reload(champion_before)


# a block that isn't there won't be in a moment
@task(name="notify", task_run_name="notify", cache_policy=NO_CACHE, retry_condition_fn=unless(ValueError), **RETRIES)
def notify(subject: str, body: str) -> None:
    """Sends the result through the configured block, if there is one."""
    block = notification_block()
    if block is None:
        get_run_logger().info("no notification is configured")
        return
    send(block, subject, body)
