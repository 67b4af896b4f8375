"""Aliases and tags in a real MLflow, as rollouts ask for them."""

import pytest
from rollout_stack import RolloutStack
from trainer.registry.champion import CHALLENGER, Registry

pytestmark = pytest.mark.thorough


def test_an_alias_is_given_moved_and_taken(running: RolloutStack) -> None:
    registry = running.registry
    assert registry.version_of(CHALLENGER) is None
    for version in ("1", "2"):
        registry.give_alias(CHALLENGER, version)
        assert registry.version_of(CHALLENGER) == version
    registry.take_alias(CHALLENGER)
    assert registry.version_of(CHALLENGER) is None


def test_a_model_that_was_never_registered_has_no_alias(running: RolloutStack) -> None:
    assert Registry(running.registry.mlflow, "unknown").version_of(CHALLENGER) is None


def test_tags_are_written_over(running: RolloutStack) -> None:
    for reason in ("worse", "better by 5 %: 3 & more"):
        running.registry.tag("1", {"decision": "promoted", "reason": reason})
    assert running.registry.tags("1") == {"decision": "promoted", "reason": "better by 5 %: 3 & more"}
