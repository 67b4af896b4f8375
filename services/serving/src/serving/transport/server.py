"""A worker's uvicorn server."""

import asyncio
import errno
import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any

import uvicorn
from originguard import listed

from serving import problems
from serving.app import shedding
from serving.composition import Worker
from serving.errors import Overloaded
from serving.observe.access import Exchange
from serving.observe.ids import new_id
from serving.problems import Problem
from serving.transport import raw
from serving.transport.connection import Connection, Manners
from serving.transport.direct import DirectConnection, ShortWay
from serving.transport.doors import Doors

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that they close it and never write to a closed one."""

BACKLOG = 2048
"""Connections that wait to be accepted."""

OWN_FILES = 128
"""That a worker may have open beside its clients' connections: batches under way, the store, the spool."""

TICKS_BETWEEN_LOOKS = 10
"""uvicorn's server ticks ten times a second."""


class Server(uvicorn.Server):
    """Shares a listening socket fairly with the other workers; looks for clients that take too long.

    asyncio's and uvloop's servers accept all connections that wait. Of several workers, the first to wake would take
    all of a client's; this one takes one at a time, so that a worker which is idle comes before one that has work.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, full: bytes) -> None:
        """``full``: what is said to a client that there is no room for."""
        super().__init__(config)
        self._full = full
        self._listener = listener
        self._accepting: set[asyncio.Task[Any]] = set()
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        """Given up for a moment where the process may open no more files, to turn a client away rather than to let it
        wait, and the loop spin."""

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
        self._give_up_spare()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            # else another worker was first, or the client has gone
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return
        task = asyncio.create_task(self._welcome(connection))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    def _turn_away(self) -> None:
        self._give_up_spare()
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.setblocking(False)
                connection.send(self._full)
        with suppress(OSError):  # a thread was first; the next time it may be had again
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def _give_up_spare(self) -> None:
        # never twice: its number may be another file's by then
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)

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


def most_connections(wanted: int) -> int:
    """How many a worker may have open, by the files that it may have open; at most ``wanted``, at least one.

    That limit is raised as far as is needed, and allowed.
    """
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (sys.maxsize if limit == resource.RLIM_INFINITY else limit for limit in limits)
    files = min(wanted + OWN_FILES, hard)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, limits[1]))
    return max(1, min(wanted, max(soft, files) - OWN_FILES))


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
    full = Overloaded("there are too many connections")
    server = Server(config, listener, raw.response(problems.of_error(full), new_id()))
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
        most_connections=most_connections(settings.max_connections),
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
