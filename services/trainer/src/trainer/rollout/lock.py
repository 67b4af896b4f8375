"""One rollout of a model at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainer.data.locking import locked
from trainer.data.transaction import Connection
from trainer.rollout.errors import RolloutInProgress


def lock_of(model: str) -> str:
    """The lock's name."""
    return f"rollout:{model}"


@contextmanager
def exclusive(connection: Connection, model: str, wait_seconds: float) -> Iterator[None]:
    """Holds the lock of a model's rollouts.

    Args:
        wait_seconds: 0 to be refused at once.

    Raises:
        RolloutInProgress: another connection still has it.
    """
    with locked(connection, lock_of(model), wait_seconds) as alone:
        if not alone:
            raise RolloutInProgress(model, wait_seconds)
        yield
