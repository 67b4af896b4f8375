"""Which version a rollback goes to."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from prefect.logging import disable_run_logger
from trainer.flows.steps import versions
from trainer.registry.champion import NoSuchVersion
from trainer.rollout.change import Change, Rollout
from trainer.rollout.errors import NothingToRollBackTo


def served(version: str, hour: int) -> Rollout:
    """A rollout that ended then."""
    moment = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return Rollout(1, Change("train", None, version, "a run", "better"), "done", moment, ended_at=moment)


def registered(monkeypatch: pytest.MonkeyPatch, before: Mapping[str, list[Rollout]], made: Mapping[str, int]) -> None:
    """A ledger, and a registry by the hours in which its versions were made."""

    def made_at(version: str) -> datetime:
        if version not in made:
            raise NoSuchVersion("trip-duration", version)
        return datetime(2026, 1, 1, made[version], tzinfo=UTC)

    ledger = SimpleNamespace(good_before=lambda version: before.get(version, []))
    monkeypatch.setattr(versions, "ledger", lambda _: nullcontext(ledger))
    monkeypatch.setattr(versions, "registry", lambda _: SimpleNamespace(made_at=made_at))


def test_a_version_that_was_deleted_or_made_anew_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"9": [served("8", 12), served("7", 11), served("6", 10)]}
    # 8 is gone; 7 is another one now, made after that one was served
    registered(monkeypatch, before, {"6": 9, "7": 13, "9": 14})
    with disable_run_logger():
        assert versions.find_previous.fn("trip-duration", "9") == "6"


def test_where_the_ledger_knows_no_version_before_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"7": [served("6", 8)]}
    registered(monkeypatch, before, {"6": 7})
    with disable_run_logger():
        assert versions.find_previous.fn("trip-duration", "7") == "6"
        with pytest.raises(NothingToRollBackTo, match=r"^the ledger has no good version before version 6; name one$"):
            versions.find_previous.fn("trip-duration", "6")
        with pytest.raises(NothingToRollBackTo, match="before none"):
            versions.find_previous.fn("trip-duration", None)
