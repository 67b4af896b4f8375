"""The short way of ``POST /predict``: answered where the request's last byte is parsed, without ASGI.

Only what goes well goes this way. A request with anything unusual about it, and one that the contract refuses, is
handed to the application as if nothing had been, so there is one place that refuses, limits and explains.
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from serving import predictions
from serving.observe import ids
from serving.observe.access import Exchange
from serving.observe.watch import Observer
from serving.predictions import Served
from serving.transport.connection import LONGEST_HEAD_BYTES, Connection, Manners

Record = Callable[[float, bytes, bytes], None]
"""Told the seconds, the request and the answer: see ``Journal.add``."""

PATH = "/predict"
LONGEST_BODY_BYTES = 4096
"""A row of more bytes is unusual."""

_UNDERSTOOD = frozenset((b"content-type", b"content-length", b"host", b"x-request-id", b"traceparent", b"tracestate"))
_UNUSUAL = frozenset((b"expect", b"connection", b"upgrade", b"transfer-encoding", b"content-encoding", b"origin"))
_KEEP_ALIVE = (b"connection", b"keep-alive")
"""What holds without it too; most clients of Python's say it all the same."""


class ShortWay:
    """A worker's part of it."""

    def __init__(self, served: Callable[[], Served], observer: Observer, record: Record) -> None:
        self._served = served
        self._observer = observer
        self._record = record
        self._dated: tuple[object, bytes] = (None, b"")

    def answer(self, headers: Mapping[bytes, bytes], body: bytes, since: float) -> tuple[str, bytes]:
        """The request's id and the response's body. Raises whatever the application is to explain."""
        found = predictions.one(self._served(), body)
        request_id = ids.request_id(headers.get(b"x-request-id", b""))
        trace_id = ids.trace_id(headers[b"traceparent"]) if b"traceparent" in headers else ""
        seconds = perf_counter() - since
        self._record(seconds, body, found)
        self._observer.record(Exchange("POST", PATH, PATH, 200, seconds, request_id, trace_id, rows=1))
        return request_id, found

    def start(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """The response's first lines; uvicorn makes its default headers anew every second."""
        known, lines = self._dated
        if known is not default_headers:
            given = b"".join(b"%b: %b\r\n" % header for header in default_headers)
            lines = b"HTTP/1.1 200 OK\r\n" + given + b"content-type: application/json\r\n"
            self._dated = (default_headers, lines)
        return lines


class DirectConnection(Connection):
    """A connection that knows the short way."""

    def __init__(self, manners: Manners, short_way: ShortWay, *args: Any, **kwargs: Any) -> None:
        super().__init__(manners, *args, **kwargs)
        self._short_way = short_way
        self._held: list[bytes] | None = None
        """Body of the request that goes the short way."""
        self._asked = 0.0
        self._understood: dict[bytes, bytes] = {}

    def on_headers_complete(self) -> None:
        if self.url == b"/predict" and self._is_plain():
            self._in_head = False
            self._held = []
            self._asked = perf_counter()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)  # no more than was declared: the parser sees to that

    def on_message_complete(self) -> None:
        held = self._held
        if held is None:
            super().on_message_complete()
            return
        body = held[0] if len(held) == 1 else b"".join(held)
        try:
            request_id, answer = self._short_way.answer(self._understood, body, self._asked)
        except Exception:  # noqa: BLE001  the application meets it again, and says what it is
            self._hand_over()
            super().on_message_complete()
            return
        self._held = None
        self._receiving = False
        self.server_state.total_requests += 1
        self.transport.write(
            b"%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (self._short_way.start(self.server_state.default_headers), request_id.encode(), len(answer), answer)
        )
        if self._last:
            self.transport.close()

    def _is_plain(self) -> bool:
        if (
            not self._is_idle
            or self._last
            or self.flow.write_paused
            or self.app is not self.config.loaded_app
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
        ):
            return False
        understood = self._understood = {}
        for name, value in self.headers:
            if name in _UNUSUAL and (name, value.lower()) != _KEEP_ALIVE:
                return False
            if name in _UNDERSTOOD:
                if name in understood:
                    return False
                understood[name] = value
        if not self.manners.doors.know(understood.get(b"host", b"")):
            return False
        if self._piece > LONGEST_HEAD_BYTES or int(understood.get(b"content-length", b"0")) > LONGEST_BODY_BYTES:
            return False
        return understood.get(b"content-type") == b"application/json"

    def _hand_over(self) -> None:
        held, self._held = self._held or [], None
        super().on_headers_complete()
        for part in held:
            super().on_body(part)
