"""A worker's uvicorn server."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import uvicorn
from originguard import listed

from serving.app import shedding
from serving.composition import Worker
from serving.observe.access import Exchange
from serving.problems import Problem
from serving.transport.connection import Connection, Manners
from serving.transport.direct import DirectConnection, ShortWay
from serving.transport.doors import Doors

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that they close it and never write to a closed one."""

BACKLOG = 2048
"""Connections that wait to be accepted."""

TICKS_BETWEEN_LOOKS = 10
"""uvicorn's server ticks ten times a second."""


class Server(uvicorn.Server):
    """Shares a listening socket fairly with the other workers; looks for clients that take too long.

    asyncio's and uvloop's servers accept all connections that wait. Of several workers, the first to wake would take
    all of a client's; this one takes one at a time, so that a worker which is idle comes before one that has work.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener
        self._accepting: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets=[])

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # another worker was first, or the client has gone
        task = asyncio.create_task(self._welcome(connection))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config, state = self.config, self.lifespan.state
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: config.http_protocol_class(config=config, server_state=self.server_state, app_state=state),  # type: ignore[call-arg]
            connection,
        )

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_BETWEEN_LOOKS == 0:
            now = perf_counter()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.expire(now)
        return await super().on_tick(counter)


def front(worker: Worker, listener: socket.socket) -> Server:
    """What answers for a worker."""
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
    server = Server(config, listener)
    worker.parts.metrics.watch_queues(
        connections=lambda: len(server.server_state.connections),
        batches=lambda: worker.parts.lane.under_way,
        buffered=lambda: worker.parts.memory.held_bytes,
    )
    return server


def connections(worker: Worker) -> Callable[..., asyncio.Protocol]:
    """Makes the protocol of a new connection."""
    settings, parts = worker.settings, worker.parts

    def refused(problem: Problem, exchange: Exchange) -> None:
        parts.metrics.refused.labels(problem.slug).inc()
        parts.observer.record(exchange)

    manners = Manners(
        read_seconds=settings.read_seconds,
        idle_seconds=KEEP_ALIVE_SECONDS,
        most_connections=settings.max_connections,
        shed=shedding(parts),
        doors=Doors(listed(settings.allowed_hosts), listed(settings.allowed_origins)),
        refused=refused,
    )
    # a span is made around ASGI, so requests that are traced go there
    if settings.direct and not parts.tracing.active:
        return partial(
            DirectConnection, manners, ShortWay(lambda: parts.slot.served, parts.observer, parts.journal.add)
        )
    return partial(Connection, manners)
