"""A client's connection: uvicorn's, with a time by which a request must have arrived and a bound on its head.

It leans on what ``uvicorn.protocols.http.httptools_impl`` keeps between two parser callbacks. That isn't a published
interface: uvicorn's version is pinned by the lock, and the tests of the service run over this class.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.observe import ids
from serving.observe.access import Exchange
from serving.problems import Problem
from serving.transport.raw import response

log = logging.getLogger(__name__)

LONGEST_HEAD_BYTES = 32 * 1024


@dataclass(frozen=True)
class Manners:
    """What is asked of a client, and what it hears if it doesn't comply."""

    read_seconds: float
    """For a whole request to arrive, and for the client to take something of its answer."""
    idle_seconds: float
    """Between two requests."""
    most_connections: int
    shed: ASGIApp
    """Answers a request on a connection beyond these."""
    refused: Callable[[Problem, Exchange], None]
    """Told of the refusals that no application sees."""


class Connection(HttpToolsProtocol):
    """Slow and broken clients are turned away here, before they reach the application."""

    def __init__(self, manners: Manners, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.manners = manners
        self._since = perf_counter()
        """When the request under way began, or the last one ended."""
        self._receiving = False
        self._in_head = False
        self._head_bytes = 0
        self._begun = 0
        """How many requests have."""
        self._stalled: float | None = None
        """Since when the client takes nothing of its answer."""
        self._last = False
        """No request after the one under way is taken."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.manners.most_connections:
            self.app = self.manners.shed

    def data_received(self, data: bytes) -> None:
        first = self._begun + (not self._receiving)
        super().data_received(data)
        # where an earlier request ends in the same piece, nobody knows how much of it is this one's head
        if self._in_head and self._begun == first:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD_BYTES:
                detail = f"the request's head is longer than {LONGEST_HEAD_BYTES} bytes"
                self._turn_away(Problem("head-too-large", "The request's head is too large", 431, detail))

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has said all it wants may still listen: what it asked for is answered before the end."""
        cycle = self.pipeline[0][0] if self.pipeline else self.cycle
        self._last = True
        if self._receiving or cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = perf_counter()
        self._receiving = self._in_head = True
        self._head_bytes = 0
        self._begun += 1

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self.scope["state"]["progress"] = self.progress
        if self._last and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # as uvicorn does it, but for the timer of its own that each response starts
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since = perf_counter()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def shutdown(self) -> None:
        """Ends once what has begun to arrive is answered."""
        self._last = True
        if not self._receiving:
            super().shutdown()
        elif not self._in_head and self.cycle is not None:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = perf_counter()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = None

    def expire(self, now: float) -> None:
        """Ends the connection if its client takes too long. To be called every second or so."""
        if self._stalled is not None and now - self._stalled > self.manners.read_seconds:
            log.warning("the client took nothing of its answer for %g s", self.manners.read_seconds)
            self.transport.abort()  # not gracefully: that would wait for the client
        elif self._receiving:
            if not self.flow.read_paused and now - self._since > self.manners.read_seconds:
                detail = f"the request did not arrive within {self.manners.read_seconds:g} s"
                self._turn_away(Problem("request-timeout", "The request came too slowly", 408, detail))
        elif self._is_idle and now - self._since > self.manners.idle_seconds:
            self.transport.close()

    def progress(self) -> None:
        """A stream without end has time for each of its parts."""
        self._since = perf_counter()

    @property
    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _say_why(self, problem: Problem) -> str:
        """To the application, if it waits for the request's body, else to whom the manners name; the request's id."""
        if not self._is_idle:
            state = self.scope["state"]
            state["turned_away"] = problem
            return str(state.get("request_id") or ids.new_id())
        headed = self._receiving and not self._in_head
        exchange = Exchange(
            method=self.parser.get_method().decode() if headed else "",
            path=self.url.decode("ascii", "replace") if headed else "",
            route="other",
            status=problem.status,
            seconds=perf_counter() - self._since,
            request_id=ids.new_id(),
        )
        self.manners.refused(problem, exchange)
        return exchange.request_id

    def send_400_response(self, msg: str) -> None:
        self._turn_away(Problem("bad-request", "The request is not HTTP", 400, msg))

    def _turn_away(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        request_id = self._say_why(problem)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(response(problem, request_id))
        self._in_head = self._receiving = False
        self.transport.close()
