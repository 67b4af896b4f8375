"""A driver that is killed with SIGKILL leaves neither its lock nor a row that nobody ends."""

import subprocess
import sys
from pathlib import Path

import killable_driver
import pytest
from killable_driver import MODEL, AliasFile
from trainer.data.warehouse import Connection
from trainer.rollout.change import Change
from trainer.rollout.errors import RolloutInProgress
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.reconciliation import DIED, DIED_AFTER, reconcile

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("step", "champion", "outcome", "failure", "told"),
    [
        ("stage", "7", "failed", DIED, set()),
        ("swap", "7", "failed", DIED, {"stage"}),
        ("verify", "7", "failed", DIED, {"stage", "swap"}),
        ("fulfil", "8", "done", DIED_AFTER, {"stage", "swap", "verify"}),
    ],
)
def test_after_a_kill_the_lock_is_free_and_the_alias_tells_how_it_ended(
    connection: Connection,
    url: str,
    tmp_path: Path,
    step: str,
    champion: str,
    outcome: str,
    failure: str,
    told: set[str],
) -> None:
    ledger, alias = PostgresLedger(connection, MODEL), AliasFile(tmp_path / "champion")
    alias.give_alias("champion", "7")
    ledger.record(Change("train", None, "7", "a flow run", "first model"))
    arguments = [sys.executable, killable_driver.__file__, url, step, str(alias.path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == f"{step}\n"
        assert not reconcile(alias, ledger, list)
        with pytest.raises(RolloutInProgress):
            ledger.locked(0).__enter__()
        driver.kill()
    # as long as Postgres takes to notice
    with ledger.locked(30):
        pass
    assert reconcile(alias, ledger, list)

    newest = ledger.history()[0]
    assert alias.version_of("champion") == champion
    assert (newest.outcome, newest.failure, set(newest.steps)) == (outcome, failure, told)
    assert ledger.under_way() == []
