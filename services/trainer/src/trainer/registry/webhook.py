"""MLflow's webhook by which the registry tells the model service that an alias has moved."""

from dataclasses import dataclass

from mlflow import MlflowClient

EVENTS = ["model_version_alias.created", "model_version_alias.deleted"]
PATH = "/registry/events"
AT_ONCE = 100
"""What MLflow gives in one answer."""


@dataclass(frozen=True)
class Webhook:
    """The one of a registered model's service."""

    mlflow: MlflowClient
    model: str
    service: str
    """The service's URL, such as ``http://serving:8000``: nothing is ever sent elsewhere."""

    @property
    def name(self) -> str:
        """Ours are known by it. MLflow lets several have the same."""
        return f"serving-{self.model}"

    @property
    def url(self) -> str:
        return self.service.rstrip("/") + PATH

    def register(self, secret: str) -> None:
        """Brings MLflow to exactly one such webhook. Once it is there, whether it is active is for people to say.

        Args:
            secret: Signs the deliveries.

        Raises:
            MlflowException: MLflow can't be reached, or won't send to that URL.
        """
        ours = self._ids()
        if not ours:
            self.mlflow.create_webhook(self.name, self.url, EVENTS, secret=secret)
            return
        kept, *surplus = ours
        # also if nothing has changed: MLflow doesn't say what the secret is
        self.mlflow.update_webhook(kept, url=self.url, events=EVENTS, secret=secret)
        for webhook in surplus:
            self.mlflow.delete_webhook(webhook)

    def remove(self) -> None:
        """Leaves MLflow without one; no harm if there is none."""
        for webhook in self._ids():
            self.mlflow.delete_webhook(webhook)

    def _ids(self) -> list[str]:
        found, token = [], None
        while True:
            page = self.mlflow.list_webhooks(AT_ONCE, token)
            found += [webhook.webhook_id for webhook in page if webhook.name == self.name]
            token = page.token
            if not token:
                return found
