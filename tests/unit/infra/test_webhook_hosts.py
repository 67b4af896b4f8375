"""Where MLflow's webhooks may go."""

import json
from typing import Any

import pytest
from tracking.webhook_hosts import MOST_BYTES, WebhookHosts

CREATE = "/api/2.0/mlflow/webhooks"


async def asked(body: bytes, path: str = CREATE, method: str = "POST", parts: int = 1) -> tuple[int, bytes]:
    """What is answered, and what reached MLflow."""
    reached = bytearray()

    async def mlflow(_scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            reached.extend(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    size = len(body) // parts + 1
    messages = [
        {"type": "http.request", "body": body[at : at + size], "more_body": at + size < len(body)}
        for at in range(0, max(len(body), 1), size)
    ]
    statuses = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    scope = {"type": "http", "method": method, "path": path}
    await WebhookHosts(mlflow, ["serving:8000", "hooks.example"])(scope, receive, send)
    return statuses[0], bytes(reached)


@pytest.mark.parametrize(
    "url", ["http://serving:8000/registry/events", "https://Hooks.Example/x", "https://a:b@hooks.example"]
)
async def test_a_webhook_to_a_named_host_reaches_mlflow_as_it_was(url: str) -> None:
    body = json.dumps({"name": "x", "url": url}).encode()
    for parts in (1, 3):
        assert await asked(body, parts=parts) == (200, body)


@pytest.mark.parametrize("path", [CREATE, "/ajax-api/2.0/mlflow/webhooks", f"{CREATE}/123", f"{CREATE}/123/test"])
@pytest.mark.parametrize(
    "url", ["http://postgres:5432", "http://serving:8000@evil.example/", "http://169.254.169.254/", " http://x"]
)
async def test_a_webhook_to_another_host_is_refused_however_it_is_written(url: str, path: str) -> None:
    once = json.dumps({"url": "http://serving:8000"})[:-1] + f', "url": {json.dumps(url)}' + "}"
    for body in (once.encode(), json.dumps(once).encode(), once.encode("utf-16")):
        for method in ("POST", "PATCH"):
            assert await asked(body, path, method) == (400, b"")


async def test_what_says_nothing_of_a_host_is_mlflows_business() -> None:
    for body in (b"", b"[", b"[1]", b'{"status": "DISABLED"}', b'{"url": 7}'):
        assert await asked(body, method="PATCH") == (200, body)
    other = b'{"url": "http://postgres"}'
    assert await asked(other, "/api/2.0/mlflow/runs/create") == (200, other)
    assert await asked(b"", method="GET") == (200, b"")


async def test_one_that_is_too_long_is_refused() -> None:
    assert await asked(b" " * (MOST_BYTES + 1), parts=3) == (413, b"")
