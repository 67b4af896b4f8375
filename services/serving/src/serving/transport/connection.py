"""A client's connection: uvicorn's, with a time by which a request must have arrived and a bound on its head.

It leans on what ``uvicorn.protocols.http.httptools_impl`` keeps between two parser callbacks. That isn't a published
interface: uvicorn's version is pinned by the lock, and the tests of the service run over this class.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.observe import ids
from serving.observe.access import Exchange
from serving.problems import Problem
from serving.transport.doors import Doors
from serving.transport.raw import response

log = logging.getLogger(__name__)

LONGEST_HEAD_BYTES = 32 * 1024
"""Of a request's head, and of its trailers and the framing of its chunks."""
FRAMING = 8
"""Bytes of framing to a byte of the body, beyond them: chunks of a single byte need five."""
UPGRADES = frozenset((b"upgrade", b"http2-settings"))


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
    doors: Doors
    """Under which names this service may be asked, and by whose pages."""
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
        self._piece = 0
        """Bytes of the piece that is being parsed."""
        self._framing = 0
        """Bytes of the request under way that aren't its body's, without those of the piece in which it began."""
        self._body_bytes = 0
        self._begun = 0
        """How many requests have."""
        self._without_upgrade: bytes | None = None
        """The head of a request that asks for another protocol, as it would be if it didn't."""
        self._deaf = False
        """Whatever comes now is ignored."""
        self._stalled: float | None = None
        """Since when the client takes nothing of its answer."""
        self._last = False
        """No request after the one under way is taken."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.manners.most_connections:
            self.app = self.manners.shed

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        continued, body = self._receiving, self._body_bytes
        first = self._begun + (not continued)
        self._piece = len(data)
        self._feed(data)
        # where an earlier request ends in the same piece, nobody knows how much of it is this one's
        if self._receiving and self._begun == first:
            # the count of a request that begins here begins at 0, whatever the one before it had
            earlier = body if continued else 0
            self._framing += len(data) - (self._body_bytes - earlier)
            if self._framing > LONGEST_HEAD_BYTES + (0 if self._in_head else FRAMING * self._body_bytes):
                self._turn_away(_head_too_large())

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _go_on(self, rest: bytes) -> None:
        """The parser takes what follows an upgrade for another protocol. Here it is the request's body."""
        head, self._without_upgrade = self._without_upgrade, None
        if head is None or self._deaf:
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._begun -= 1
        self._feed(head + rest)

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
        self._receiving = self._in_head = not self._deaf
        self._framing = self._body_bytes = 0
        self._begun += 1

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        if problem := self._objection():
            self._turn_away(problem)
            return
        if self.parser.should_upgrade():
            self._without_upgrade = self._head_without_upgrade()
            return
        self._in_head = False
        super().on_headers_complete()
        self.scope["state"]["progress"] = self.progress
        if self._last and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self._deaf:
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._deaf or self._without_upgrade is not None:
            return
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

    def _objection(self) -> Problem | None:
        """What is wrong with the request's head."""
        if self._piece + self._framing > LONGEST_HEAD_BYTES:
            head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head > LONGEST_HEAD_BYTES:
                return _head_too_large()
        if self.parser.get_method() == b"CONNECT":
            return Problem("method-not-allowed", "Method Not Allowed", 405, "this service is no proxy")
        return self.manners.doors.objection(self.headers, self.parser.get_http_version())

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() not in UPGRADES]
                lines += [b"connection: " + b",".join(kept)] if kept else []
            elif name not in UPGRADES:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, msg: str) -> None:
        self._turn_away(Problem("bad-request", "The request is not HTTP", 400, msg))

    def _turn_away(self, problem: Problem) -> None:
        if self.transport.is_closing() or self._deaf:
            return
        self._deaf = self._last = True
        if self._end_after_earlier_ones():
            return
        request_id = self._say_why(problem)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(response(problem, request_id))
        self._in_head = self._receiving = False
        self.transport.close()

    def _end_after_earlier_ones(self) -> bool:
        """Whether there are requests whose answers are still to come; then the last of them ends the connection."""
        if self._receiving and not self._in_head and self.pipeline:
            self.pipeline.popleft()  # the one that is turned away: nobody has begun with it
            under_way = self.pipeline[0][0] if self.pipeline else None
        elif self._receiving and not self._in_head:
            return False
        else:
            under_way = self.pipeline[0][0] if self.pipeline else self.cycle
        if under_way is None or under_way.response_complete:
            return False
        under_way.keep_alive = False
        self._in_head = self._receiving = False
        return True


def _head_too_large() -> Problem:
    detail = f"the request's head, or what is about its body, is longer than {LONGEST_HEAD_BYTES} bytes"
    return Problem("head-too-large", "The request's head is too large", 431, detail)
