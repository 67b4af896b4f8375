"""Deliveries of MLflow's webhooks: whether they are MLflow's, and whether they concern this service.

The signature is that of ``mlflow.webhooks.delivery``, which follows https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.errors import BadJson
from pydantic import SecretStr
from pydantic_core import from_json

from serving.errors import BadSignature

ID, TIMESTAMP, SIGNATURE = "X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature"
SCHEME = "v1"

TOLERANCE_SECONDS = 300
"""By so much may MLflow's clock differ from this one: for so long can a delivery that was listened to be repeated."""

LONGEST_TIMESTAMP = 12
"""Digits."""


@dataclass(frozen=True)
class Deliveries:
    """Those that a secret signs, about an alias of a registered model."""

    secret: SecretStr
    model: str
    alias: str

    @property
    def wanted(self) -> bool:
        """Without a secret nothing can be known to be MLflow's."""
        return bool(self.secret.get_secret_value())

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raises BadSignature unless MLflow has sent this body, and not long ago.

        Args:
            headers: Found by their names in any case.
            now: Seconds since 1970 UTC.
        """
        delivery, timestamp, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if not signatures:
            raise BadSignature(f"the header {SIGNATURE} is missing")
        expected = self._signature(f"{delivery}.{timestamp}.".encode("latin-1") + body)
        # several while a secret is replaced, as the standard has it
        if not any(hmac.compare_digest(expected, given.encode("latin-1")) for given in signatures.split()):
            raise BadSignature("the signature is wrong")
        if not _is_near(timestamp, now):
            raise BadSignature(f"it was signed more than {TOLERANCE_SECONDS} s from now, by this service's clock")

    def concerned(self, body: bytes) -> bool:
        """Whether it tells of our alias. Raises BadJson."""
        event = _object(body)
        data = event.get("data")
        if event.get("entity") != "model_version_alias" or not isinstance(data, dict):
            return False
        return (data.get("name"), data.get("alias")) == (self.model, self.alias)

    def _signature(self, signed: bytes) -> bytes:
        digest = hmac.digest(self.secret.get_secret_value().encode(), signed, hashlib.sha256)
        return f"{SCHEME},".encode() + base64.b64encode(digest)


def _is_near(timestamp: str, now: float) -> bool:
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > LONGEST_TIMESTAMP:
        return False
    return abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = from_json(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadJson("the body is not a JSON object")
    return found
