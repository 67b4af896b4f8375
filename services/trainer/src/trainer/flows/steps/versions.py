"""Versions that are registered already: found, and rolled out."""

from pathlib import Path
from tempfile import TemporaryDirectory

from contract import ContractError
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.outside import ledger, registry
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.steps.serve import serve
from trainer.registry.artifacts import ForeignArtifacts
from trainer.registry.champion import CHAMPION, NoSuchVersion, Registry
from trainer.rollout.change import Change, Rollout
from trainer.rollout.errors import AlreadyChampion, NothingToRollBackTo, RolloutError
from trainer.rollout.proof import Proof

UNLESS_FINAL = unless(RolloutError, ContractError, ForeignArtifacts, NoSuchVersion)


@task(
    name="find version",
    task_run_name="find version",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_FINAL,
    **RETRIES,
)
def find_version(model: str, version: str | None, alias: str) -> str:
    """The named version, or the one that has the alias.

    Raises:
        NoSuchVersion: there is none.
        AlreadyChampion: it is served.
    """
    versions = registry(model)
    found = version or versions.version_of(alias)
    if found is None:
        raise NoSuchVersion(model, f"with the alias {alias}")
    if found == versions.version_of(CHAMPION):
        raise AlreadyChampion(found)
    get_run_logger().info("version %s", found)
    return found


@task(
    name="find previous",
    task_run_name="find previous",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_FINAL,
    **RETRIES,
)
def find_previous(model: str, champion: str | None) -> str:
    """The version before, by the ledger, that the registry still has.

    Raises:
        NothingToRollBackTo: there is none.
    """
    with ledger(model) as rollouts:
        served = rollouts.good_before(champion)
    for rollout in served:
        if _is_still(rollout, registry(model)):
            get_run_logger().info("version %s", rollout.change.to_version)
            return rollout.change.to_version
        get_run_logger().warning("version %s, served before, has been deleted", rollout.change.to_version)
    raise NothingToRollBackTo(champion)


def _is_still(rollout: Rollout, versions: Registry) -> bool:
    """Whether the registry has the version that was served then, and not another one of its number."""
    try:
        return versions.made_at(rollout.change.to_version) <= (rollout.ended_at or rollout.begun_at)
    except NoSuchVersion:
        return False


@task(
    name="roll out",
    task_run_name="roll out version {change.to_version}",
    cache_policy=NO_CACHE,
    retry_condition_fn=UNLESS_FINAL,
    **RETRIES,
)
def roll_out_registered(model: str, change: Change, wait_seconds: float) -> None:
    """Every replica serves the version and the alias names it, or all stays as it was."""
    with TemporaryDirectory() as folder:
        proof = Proof.of(change.to_version, registry(model).download(change.to_version, Path(folder)))
    serve(model, change, proof, wait_seconds)
