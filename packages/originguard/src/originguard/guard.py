"""The guard, as an ASGI application in front of another one."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from originguard.names import HostPatterns, is_origin_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_FRAMES = b"x-frame-options"
_STACK = b"roundhouse-stack"


class OriginGuard:
    """Answers 403 to what a page of another origin asks, and hands on everything else.

    Programs send no ``Origin``: they pass, if they know the server's name. Links from other pages pass too.

    Args:
        application: gets the rest, websockets among it.
        hosts: patterns of the names that this server has, as ``localhost:*``. Without this check a page could give its
            own name the server's address (DNS rebinding), and would be of the same origin.
        origins: other origins whose pages may ask, as ``https://app.example``. The application answers their preflight.
        stack: identity of the stack that the server is of, for the header ``Roundhouse-Stack`` of each answer: an
            address alone doesn't tell a stack from another one.
    """

    def __init__(
        self, application: Application, hosts: Iterable[str], origins: Iterable[str] = (), stack: str = ""
    ) -> None:
        self._application = application
        self._hosts = HostPatterns(hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self._stack = stack.encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
        elif reason := self._objection(scope):
            await _refuse(scope, send, reason)
        else:
            await self._application(scope, receive, self._marked(send))

    def _marked(self, send: Send) -> Send:
        """No page of another origin shows an answer in a frame, where a click could be led astray."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ())]
                if all(key.lower() != _FRAMES for key, _ in headers):
                    headers.append((_FRAMES, b"SAMEORIGIN"))
                if self._stack:
                    headers.append((_STACK, self._stack))
                message = {**message, "headers": headers}
            await send(message)

        return with_headers

    def _objection(self, scope: Scope) -> str | None:
        """Why this request is refused; None if it isn't."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._hosts.match(hosts[0]):
            return f"This server isn't known as {' and '.join(hosts) or 'nothing'}."
        origins = _values(scope, b"origin")
        if any(origin not in self._origins and not is_origin_of(origin, hosts[0]) for origin in origins):
            return f"Pages of {' and '.join(origins)} may not ask this server."
        if not origins and _is_embedded_elsewhere(scope):
            return "Pages of other origins may link to this server, and no more."
        return None


def _is_embedded_elsewhere(scope: Scope) -> bool:
    """Whether a page of another origin asks without saying which: for an image, a script, a frame."""
    sites = _values(scope, b"sec-fetch-site")
    if not any(site in ("cross-site", "same-site") for site in sites):
        return False
    is_link = _values(scope, b"sec-fetch-mode") == ["navigate"] and _values(scope, b"sec-fetch-dest") == ["document"]
    return not (is_link and scope.get("method") in ("GET", "HEAD"))


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name]


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})
        return
    body = json.dumps({"title": "Forbidden", "status": 403, "detail": reason}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
