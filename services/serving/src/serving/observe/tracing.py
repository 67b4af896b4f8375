"""OpenTelemetry spans, when an endpoint for them is configured; else nothing but what the request brought."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any

from serving.observe.access import Exchange

CLOSE_SECONDS = 2.0
"""For the last spans to be sent."""


class Span:
    """A request's stretch of a trace."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        """What calls made for the request pass on."""

    def end(self, exchange: Exchange) -> None:
        """Takes the request's outcome."""


class Tracing(ABC):
    """Makes spans."""

    active: bool
    """Whether anything sees them."""

    @abstractmethod
    def span(self, method: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A span of a request with these headers (names in lower case)."""

    @abstractmethod
    def close(self) -> None:
        """Sends what hasn't been sent."""


class NullTracing(Tracing):
    """Passes the caller's context on as it is."""

    active = False

    @contextmanager
    def span(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        yield Span(headers)

    def close(self) -> None:
        pass


class OpenTelemetry(Tracing):
    """Exports over OTLP/HTTP, as OpenTelemetry's own environment variables say (``OTEL_EXPORTER_OTLP_…``)."""

    active = True

    def __init__(self, service_name: str) -> None:
        # imported here: who sends no traces doesn't pay for the packages
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # the environment's OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over the name given here
        resource = Resource({SERVICE_NAME: service_name}).merge(Resource.create())
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("serving")

    @contextmanager
    def span(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        with self._tracer.start_as_current_span(
            method, context=propagator.extract(headers), kind=SpanKind.SERVER
        ) as started:
            passed = {"x-request-id": headers["x-request-id"]}
            propagator.inject(passed)
            yield _Recorded(passed, started)

    def close(self) -> None:
        # a collector that is away must not keep the service from its end
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class _Recorded(Span):
    def __init__(self, headers: Mapping[str, str], span: Any) -> None:
        super().__init__(headers)
        self._span = span

    def end(self, exchange: Exchange) -> None:
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{exchange.method} {exchange.route}")
        self._span.set_attributes(
            {
                "http.request.method": exchange.method,
                "http.route": exchange.route,
                "url.path": exchange.path,
                "http.response.status_code": exchange.status,
                "serving.request_id": exchange.request_id,
                "serving.rows": exchange.rows,
            }
        )
        if exchange.status >= 500:
            self._span.set_status(StatusCode.ERROR)


def tracing(endpoint: str, service_name: str) -> Tracing:
    """Of the endpoint that is configured; empty for none."""
    return OpenTelemetry(service_name) if endpoint else NullTracing()
