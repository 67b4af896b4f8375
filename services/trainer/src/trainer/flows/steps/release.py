"""From a verdict to a version that every replica serves, or to a refusal."""

import pyarrow.parquet as pq
from contract import ContractError
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.actor import this_run
from trainer.flows.handover import Candidate, Decision, FeatureSet, Registered
from trainer.flows.outside import notification_block, registry
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.steps.serve import champion_beside, numbers, promoted, serve, tag
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHALLENGER
from trainer.rollout.change import Change
from trainer.rollout.errors import RolloutError
from trainer.rollout.notification import send
from trainer.rollout.proof import Proof

WAIT_SECONDS = 600
"""For another rollout to end: longer than one lasts."""


@task(name="refuse", task_run_name="refuse", cache_policy=NO_CACHE, **RETRIES)
def refuse(registered: Registered, verdict: Verdict) -> Decision:
    """The version stays registered, as challenger, with the reason as tags."""
    versions = registry(registered.model)
    tags = {"decision": "refused", "reason": verdict.reason, "champion_before": verdict.champion or ""}
    versions.tag(registered.version, tags)
    versions.give_alias(CHALLENGER, registered.version)
    return _decision(registered.version, verdict)


@task(
    name="roll out",
    task_run_name="roll out",
    cache_policy=NO_CACHE,
    # what was refused is refused again; after anything else all is as before, and it can be tried once more
    retry_condition_fn=unless(RolloutError, ContractError),
    **RETRIES,
)
def roll_out(registered: Registered, verdict: Verdict, candidate: Candidate, found: FeatureSet) -> Decision:
    """Every replica serves the version and the alias names it, or all stays as it was."""
    proof = Proof.of(registered.version, candidate.bundle, pq.read_table(found.rows.holdout.path))
    champion = champion_beside(registered.model, verdict)
    change = Change("train", champion, registered.version, this_run(), verdict.reason, numbers(verdict))
    try:
        serve(registered.model, change, proof, WAIT_SECONDS)
    except Exception as error:
        tag(registered.model, registered.version, {"decision": "taken back", "reason": str(error)})
        raise
    tag(registered.model, registered.version, promoted(change))
    return _decision(registered.version, verdict)


def _decision(version: str, verdict: Verdict) -> Decision:
    return Decision(version=version, promoted=verdict.promotes, champion_before=verdict.champion, reason=verdict.reason)


# a block that isn't there won't be in a moment
@task(name="notify", task_run_name="notify", cache_policy=NO_CACHE, retry_condition_fn=unless(ValueError), **RETRIES)
def notify(subject: str, body: str) -> None:
    """Sends the result through the configured block, if there is one."""
    block = notification_block()
    if block is None:
        get_run_logger().info("no notification is configured")
        return
    send(block, subject, body)
