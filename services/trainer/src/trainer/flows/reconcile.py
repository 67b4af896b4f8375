"""The flow ``reconcile``: the ledger tells what the registry says, also where nobody could write it down.

It also has the registry tell the model service what it should. That isn't done when the stack starts, since then
nothing waits for MLflow.
"""

from datetime import timedelta
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.flows.forgetting import forget_runs
from trainer.flows.outside import ledger, prompt_registry, registry_webhook, settings
from trainer.rollout.reconciliation import reconcile as settle_all
from trainer.usecases.trips.fields import MODEL_NAME

KEPT = timedelta(days=1)
"""There are 288 runs a day."""

PATIENCE_SECONDS = 60
"""For MLflow to take its webhook. If it can't read those that it has, its client would ask again for four minutes."""


@flow(name="reconcile", retries=2, retry_delay_seconds=10)
def reconcile() -> State[Any]:
    """Ends ledger rows of rollouts whose driver died, and adds one for an alias that was moved by hand.

    Then it keeps MLflow's webhook; if that fails, the run says so and ends well, since polls do the same, only later.
    """
    with ledger(MODEL_NAME) as rollouts:
        settled = settle_all(prompt_registry(MODEL_NAME), rollouts)
    webhook = keep_webhook(return_state=True)
    forget_runs("reconcile", KEPT)
    said = "the ledger agrees with the registry" if settled else "a rollout is under way"
    return Completed(message=said if webhook.is_completed() else f"{said}; MLflow's webhook: {webhook.message}")


# the next run, in five minutes, tries it again
@task(name="keep webhook", task_run_name="keep webhook", cache_policy=NO_CACHE, timeout_seconds=PATIENCE_SECONDS)
def keep_webhook() -> None:
    """MLflow tells the service at once of an alias that moved, if a secret is configured that signs it."""
    webhook, secret = registry_webhook(MODEL_NAME), settings().serving_webhook_secret.get_secret_value()
    if secret:
        webhook.register(secret)
    else:
        webhook.remove()
