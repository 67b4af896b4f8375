"""The flow ``reconcile``: the ledger tells what the registry says, also where nobody could write it down."""

from datetime import timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.flows.forgetting import forget_runs
from trainer.flows.outside import ledger, prompt_registry
from trainer.rollout.reconciliation import reconcile as settle_all
from trainer.usecases.trips.fields import MODEL_NAME

KEPT = timedelta(days=1)
"""There are 288 runs a day."""


@flow(name="reconcile", retries=2, retry_delay_seconds=10)
def reconcile() -> State[Any]:
    """Ends ledger rows of rollouts whose driver died, and adds one for an alias that was moved by hand."""
    with ledger(MODEL_NAME) as rollouts:
        settled = settle_all(prompt_registry(MODEL_NAME), rollouts)
    forget_runs("reconcile", KEPT)
    return Completed(message="the ledger agrees with the registry" if settled else "a rollout is under way")
