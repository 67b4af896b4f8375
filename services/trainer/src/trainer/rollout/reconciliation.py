"""The ledger is brought to what the registry says, whoever died before telling it."""

import logging

from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change
from trainer.rollout.errors import RolloutInProgress
from trainer.rollout.parties import Aliases, Ledger

log = logging.getLogger(__name__)

DIED = "its driver died"
DIED_AFTER = "its driver died after the alias had moved"
BY_HAND = "by hand in the registry"


def reconcile(aliases: Aliases, ledger: Ledger) -> bool:
    """Settles what no rollout works on; False while one is under way, which knows better."""
    try:
        with ledger.locked(0):
            settle(aliases, ledger)
    except RolloutInProgress:
        return False
    return True


def settle(aliases: Aliases, ledger: Ledger) -> None:
    """Ends rows whose drivers have died, and writes one for an alias that was moved by hand. Needs the lock.

    The alias decides: it moves last, so where it points to a rollout's version, every replica had been verified.
    """
    champion = aliases.version_of(CHAMPION)
    for rollout in ledger.under_way():
        log.warning("rollout %s to version %s: %s", rollout.id, rollout.change.to_version, DIED)
        if champion == rollout.change.to_version:
            ledger.finish(rollout.id, "done", DIED_AFTER)
        else:
            ledger.finish(rollout.id, "failed", DIED)
    known = ledger.latest_served()
    # without the alias replicas serve on what they have: nothing was changed
    if champion is not None and champion != known:
        log.info("the alias was moved by hand, from version %s to %s", known, champion)
        ledger.record(Change("by hand", known, champion, BY_HAND, f"the alias points to version {champion}"))
