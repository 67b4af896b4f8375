"""The ledger is brought to what the registry says, whoever died before telling it."""

import logging
from contextlib import suppress

from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change
from trainer.rollout.errors import Refused, RolloutInProgress, Unavailable
from trainer.rollout.parties import Aliases, FindReplicas, Ledger

log = logging.getLogger(__name__)

DIED = "its driver died"
DIED_AFTER = "its driver died after the alias had moved"
BY_HAND = "by hand in the registry"


def reconcile(aliases: Aliases, ledger: Ledger, find_replicas: FindReplicas) -> bool:
    """Settles what no rollout works on; False while one is under way, which knows better."""
    try:
        with ledger.locked(0):
            settle(aliases, ledger, find_replicas)
    except RolloutInProgress:
        return False
    return True


def settle(aliases: Aliases, ledger: Ledger, find_replicas: FindReplicas) -> None:
    """Ends rows whose drivers have died, and writes one for an alias that was moved by hand. Needs the lock.

    The alias decides: it moves last, so where it points to a rollout's version, every replica had been verified. Of one
    that was moved by hand nothing was: its row is written once the version is served, which it may never be.
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
        if not _is_served(champion, find_replicas):
            log.warning("the alias was moved by hand to version %s, which isn't served", champion)
            return
        log.info("the alias was moved by hand, from version %s to %s", known, champion)
        ledger.record(Change("by hand", known, champion, BY_HAND, f"the alias points to version {champion}"))


def _is_served(version: str, find_replicas: FindReplicas) -> bool:
    """Whether all replicas that can be asked serve it, and there is one."""
    answers: list[bool] = []
    with suppress(Unavailable):
        for replica in find_replicas():
            with suppress(Refused, Unavailable):
                answers.append(replica.serves(version))
    return bool(answers) and all(answers)
