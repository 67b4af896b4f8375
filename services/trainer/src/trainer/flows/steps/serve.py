"""A rollout on this deployment's replicas, registry and ledger: what the steps of train, promote and rollback share."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from prefect import get_run_logger

from trainer.flows.outside import ledger, prompt_registry, registry, replicas_of
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change
from trainer.rollout.errors import AlreadyChampion, ChampionChanged
from trainer.rollout.proof import Proof
from trainer.rollout.transaction import roll_out

Result = TypeVar("Result")


def serve(model: str, change: Change, proof: Proof, wait_seconds: float) -> None:
    """Carries a decision out, or leaves everything as it was; raises as ``transaction.roll_out`` does."""
    with ledger(model) as rollouts:
        try:
            seconds = roll_out(change, proof, replicas_of(model), prompt_registry(model), rollouts, wait_seconds)
        except AlreadyChampion:
            # an earlier try moved the alias and couldn't learn of it; what is wanted holds
            get_run_logger().info("version %s is champion already", change.to_version)
        else:
            get_run_logger().info("version %s is served by all replicas; seconds: %s", change.to_version, seconds)


def unless_champion_changes(decide: Callable[[], Result]) -> Result:
    """Judges and rolls out; once more if another rollout, which was waited for, has changed the champion.

    Raises:
        ChampionChanged: it happened again.
    """
    try:
        return decide()
    except ChampionChanged as change:
        get_run_logger().info("judged again: %s", change)
        return decide()


def champion_beside(model: str, verdict: Verdict) -> str | None:
    """The champion when the gate judged; also one that it couldn't use, which the verdict doesn't name."""
    return verdict.champion or registry(model).version_of(CHAMPION)


def numbers(verdict: Verdict) -> Mapping[str, Any]:
    """The verdict as JSON values: NaN, which JSON doesn't have, as null."""
    found: dict[str, Any] = json.loads(verdict.model_dump_json())
    return found


def promoted(change: Change) -> dict[str, str]:
    """Tags of a version that has become champion."""
    return {"decision": "promoted", "reason": change.reason, "champion_before": change.from_version or ""}


def tag(model: str, version: str, tags: Mapping[str, str]) -> None:
    """Tags are for people: the rollout has ended as it has, also where they can't be written."""
    try:
        prompt_registry(model).tag(version, tags)
    except MlflowException as error:
        get_run_logger().warning("version %s: tags can't be written: %s", version, error)
