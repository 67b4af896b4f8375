"""Which version a rollback goes to."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from prefect.logging import disable_run_logger
from trainer.flows.steps import versions
from trainer.rollout.errors import NothingToRollBackTo


def test_where_the_ledger_knows_no_version_before_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"7": "6"}
    monkeypatch.setattr(versions, "ledger", lambda _: nullcontext(SimpleNamespace(previous_good=before.get)))
    with disable_run_logger():
        assert versions.find_previous.fn("trip-duration", "7") == "6"
        with pytest.raises(NothingToRollBackTo, match=r"^the ledger has no good version before version 6; name one$"):
            versions.find_previous.fn("trip-duration", "6")
        with pytest.raises(NothingToRollBackTo, match="before none"):
            versions.find_previous.fn("trip-duration", None)
