"""From a registered version to one that is served, or to a refusal."""

import pyarrow.parquet as pq
from contract.booster import load
from contract.golden import requests_of
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.handover import Candidate, Decision, FeatureSet, Registered
from trainer.flows.outside import model_service, notification_block, registry
from trainer.flows.retrying import RETRIES, unless
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHALLENGER, CHAMPION
from trainer.rollout.notification import send
from trainer.rollout.service import NotServed, ReloadRefused

VERIFIED_ROWS = 100

UNLESS_REFUSED = unless(ReloadRefused, NotServed)


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, **RETRIES)
def promote(registered: Registered, verdict: Verdict) -> Decision:
    """Champion if the gate lets it pass; challenger otherwise."""
    versions = registry(registered.model)
    before = versions.version_of(CHAMPION)
    if before == registered.version:  # an earlier try moved the alias and didn't live to say so
        before = versions.tags(before)["champion_before"] or None
    else:
        decision = "promoted" if verdict.promotes else "refused"
        tags = {"decision": decision, "reason": verdict.reason, "champion_before": before or ""}
        versions.tag(registered.version, tags)
        versions.give_alias(CHAMPION if verdict.promotes else CHALLENGER, registered.version)
    return Decision(
        version=registered.version, promoted=verdict.promotes, champion_before=before, reason=verdict.reason
    )


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
