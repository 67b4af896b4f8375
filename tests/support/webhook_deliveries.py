"""What MLflow's webhook sends, signed by MLflow's own code."""

import json
import time
import uuid
from typing import Any

from mlflow.webhooks.delivery import _generate_hmac_signature

Delivery = dict[str, Any]
"""Arguments of an HTTP client's ``post``: content and headers."""

PATH = "/registry/events"


def event(name: str, alias: str = "champion", entity: str = "model_version_alias", action: str = "created") -> str:
    """A body as MLflow writes it."""
    data = {"name": name, "alias": alias, "version": "2"}
    return json.dumps({"entity": entity, "action": action, "timestamp": "2026-11-25T01:02:03+00:00", "data": data})


def signed(body: str, secret: str, timestamp: str | None = None) -> Delivery:
    """A delivery of the body, signed now unless told otherwise."""
    delivery, signed_at = str(uuid.uuid4()), timestamp if timestamp is not None else seconds_from_now(0)
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": signed_at,
        "X-MLflow-Signature": _generate_hmac_signature(secret, delivery, signed_at, body),
    }
    return {"content": body, "headers": headers}


def seconds_from_now(seconds: int) -> str:
    return str(int(time.time()) + seconds)
