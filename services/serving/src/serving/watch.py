"""ASGI middleware: counts, times and logs every request."""

import logging
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics

log = logging.getLogger("serving.access")

QUIET = ("/health/live", "/health/ready", "/metrics")
"""Called by machines every few seconds: logged at DEBUG."""


class Watch:
    """Paths that no route has count as one, so that a stranger can't make labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            self._record(scope, status, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        route = path if path in self._paths else "other"
        self._metrics.requests.labels(route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        level = logging.DEBUG if route in QUIET else logging.INFO
        if log.isEnabledFor(level):
            about = {"method": scope["method"], "path": path, "status": status, "ms": round(seconds * 1e3, 3)}
            log.log(level, "request", extra=about)
