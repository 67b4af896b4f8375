"""MLflow's webhook, which the stack's start doesn't wait for MLflow to make."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from trainer.flows.outside import registry_webhook, settings

PATIENCE_SECONDS = 60
"""For MLflow to take its webhook. If it can't read those that it has, its client would ask again for four minutes."""


# the next run of reconcile, in five minutes, tries it again
@task(name="keep webhook", task_run_name="keep webhook", cache_policy=NO_CACHE, timeout_seconds=PATIENCE_SECONDS)
def keep_webhook() -> None:
    """MLflow tells the service at once of an alias that moved, if a secret is configured that signs it."""
    webhook, secret = registry_webhook(settings().usecase), settings().serving_webhook_secret.get_secret_value()
    if secret:
        webhook.register(secret)
    else:
        webhook.remove()
