"""Where MLflow's webhooks may go: to hosts that the deployment names.

The stack's own webhook goes to a private address, so MLflow has to let webhooks go there; whoever reaches MLflow could
otherwise have it ask any service of the machine, and be shown the answer.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from originguard.guard import Application, Message, Receive, Scope, Send

WRITES = re.compile(r"/(ajax-)?api/[0-9.]+/mlflow/webhooks(/.*)?", re.IGNORECASE)
MOST_BYTES = 64 * 1024
"""Of a webhook that is registered or changed."""


class WebhookHosts:
    """Refuses webhooks to other hosts, as MLflow refuses what it doesn't take.

    Args:
        application: gets the rest.
        hosts: as ``serving:8000``, or ``hooks.example`` for the scheme's own port; ``*`` for all.
    """

    def __init__(self, application: Application, hosts: Iterable[str]) -> None:
        self._application = application
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writes = scope["type"] == "http" and scope["method"] != "GET" and WRITES.fullmatch(scope["path"])
        if not writes or "*" in self._hosts:
            await self._application(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, f"a webhook has at most {MOST_BYTES} bytes")
        elif (host := _host(body)) is not None and host not in self._hosts:
            await _refuse(send, 400, f"webhooks don't go to {host}: MLFLOW_WEBHOOK_HOSTS names where they may go")
        else:
            await self._application(scope, _again(body, receive), send)


def _host(body: bytes) -> str | None:
    """Where a webhook is to go; None if the request says nothing of it."""
    try:
        found = json.loads(body)
        # as MLflow does, for the sake of its older clients
        found = json.loads(found) if isinstance(found, str) else found
    except (ValueError, RecursionError):
        return None
    url = found.get("url") if isinstance(found, dict) else None
    if not isinstance(url, str):
        return None
    return urlsplit(url.strip()).netloc.rpartition("@")[2].lower()


async def _read(receive: Receive) -> bytes | None:
    """None if it is too long, or the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(body) > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    said = False

    async def once_more() -> Message:
        nonlocal said
        if said:
            return await receive()
        said = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once_more


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
