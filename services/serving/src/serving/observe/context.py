"""What a request carries on to the calls that are made for it."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

PASSED_ON = ("x-request-id", "traceparent", "tracestate")
"""The request's id and W3C's trace context."""

carried: ContextVar[Mapping[str, str]] = ContextVar("carried", default=MappingProxyType({}))
"""Headers for outgoing requests. A thread that ``asyncio.to_thread`` starts sees its request's."""
