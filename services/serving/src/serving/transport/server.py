"""A worker's uvicorn server."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter

import uvicorn

from serving.app import shedding
from serving.composition import Worker
from serving.transport.connection import Connection, Manners
from serving.transport.direct import DirectConnection, ShortWay

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that they close it and never write to a closed one."""

TICKS_BETWEEN_LOOKS = 10
"""uvicorn's server ticks ten times a second."""


class Server(uvicorn.Server):
    """Looks every second for clients that take too long."""

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_BETWEEN_LOOKS == 0:
            now = perf_counter()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.expire(now)
        return await super().on_tick(counter)


def front(worker: Worker) -> Server:
    """What listens for a worker."""
    config = uvicorn.Config(
        worker.app,
        http=connections(worker),  # type: ignore[arg-type]  # it is called with keyword arguments, as a class would be
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=worker.settings.shutdown_seconds,
    )
    server = Server(config)
    worker.parts.metrics.watch_queues(
        connections=lambda: len(server.server_state.connections),
        batches=lambda: worker.parts.lane.under_way,
        buffered=lambda: worker.parts.memory.held_bytes,
    )
    return server


def connections(worker: Worker) -> Callable[..., asyncio.Protocol]:
    """Makes the protocol of a new connection."""
    settings, parts = worker.settings, worker.parts
    manners = Manners(
        read_seconds=settings.read_seconds,
        idle_seconds=KEEP_ALIVE_SECONDS,
        most_connections=settings.max_connections,
        shed=shedding(parts),
        refused=lambda problem: parts.metrics.refused.labels(problem.slug).inc(),
    )
    # a span is made around ASGI, so requests that are traced go there
    if settings.direct and not parts.tracing.active:
        return partial(DirectConnection, manners, ShortWay(lambda: parts.slot.served, parts.observer))
    return partial(Connection, manners)
