"""Identifiers: of requests, of predictions, of traces."""

import os
import re

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NO_TRACE = b"0" * 32


def new_id() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return os.urandom(16).hex()


def request_id(given: bytes) -> str:
    """The client's ``X-Request-ID`` if it is one that a log line and a header can carry, else a new one."""
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else new_id()


def trace_id(traceparent: bytes) -> str:
    """The trace that a W3C ``traceparent`` header names; empty if it names none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return "" if match is None or match[1] == _NO_TRACE else match[1].decode("ascii")
