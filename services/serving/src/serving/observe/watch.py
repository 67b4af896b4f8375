"""ASGI middleware: names, counts, times, logs and traces every request."""

import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.observe import ids
from serving.observe.access import AccessLog, Exchange
from serving.observe.context import PASSED_ON, carried
from serving.observe.metrics import Metrics
from serving.observe.tracing import Tracing


class Observer:
    """Takes note of every exchange."""

    def __init__(self, metrics: Metrics, log: AccessLog) -> None:
        self._tally = metrics.tally
        self._log = log

    def record(self, exchange: Exchange) -> None:
        self._tally.add(exchange.route, exchange.status, exchange.seconds, exchange.rows)
        self._log.add(exchange)


class Watch:
    """Paths that no route has count as one, so that a stranger can't make labels."""

    def __init__(self, app: ASGIApp, observer: Observer, tracing: Tracing) -> None:
        self._app = app
        self._observer = observer
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _passed_on(scope)
        request_id = headers["x-request-id"]
        scope.setdefault("state", {})["request_id"] = request_id
        status, start = 500, time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with self._tracing.span(scope["method"], headers) as span:
            token = carried.set(span.headers)
            try:
                await self._app(scope, receive, note)
            finally:
                carried.reset(token)
                exchange = Exchange(
                    method=scope["method"],
                    path=scope["path"],
                    route=_route(scope),
                    status=status,
                    seconds=time.perf_counter() - start,
                    request_id=request_id,
                    trace_id=ids.trace_id(span.headers.get("traceparent", "").encode("latin-1")),
                    rows=scope.get("state", {}).get("rows", 0),
                )
                span.end(exchange)
                self._observer.record(exchange)


def _passed_on(scope: Scope) -> Mapping[str, str]:
    given: MutableMapping[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in PASSED_ON:
            given.setdefault(name, value.decode("latin-1"))
    given["x-request-id"] = ids.request_id(given.get("x-request-id", "").encode("latin-1"))
    if not ids.trace_id(given.get("traceparent", "").encode("latin-1")):
        given.pop("traceparent", None)
        given.pop("tracestate", None)
    return given


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", "other")
