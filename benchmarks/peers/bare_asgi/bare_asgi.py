"""The least that an ASGI application can do: read the body, answer a constant. What uvicorn itself costs."""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

ANSWER = json.dumps({"prediction": float(os.environ["BENCH_PREDICTION"])}).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
