"""The application: it only wires."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import openapi, problems
from serving.batch.lane import Lane
from serving.chores import Chores
from serving.coordinator import Coordinator
from serving.deliveries import Deliveries
from serving.description import Describer
from serving.errors import Overloaded
from serving.exchange import Memory, refusal
from serving.heads import Heads
from serving.ledger import Ledger
from serving.notes import NoteFile
from serving.observe.metrics import Metrics
from serving.observe.tracing import Tracing
from serving.observe.watch import Observer, Watch
from serving.peers import Peers
from serving.problems import KINDS, Problem, TurnedAway
from serving.recorder.journal import Log
from serving.recorder.status import StatusFile
from serving.routes import (
    docs,
    feedback,
    health,
    invocations,
    metrics,
    model,
    open_inference,
    predict,
    registry_events,
    rollout,
)
from serving.routes.carrier import Carrier
from serving.routes.orders import Orders
from serving.slot import Slot


@dataclass(frozen=True)
class Parts:
    """What the application is made of."""

    slot: Slot
    coordinator: Coordinator
    describer: Describer
    ledger: Ledger
    notes: NoteFile
    metrics: Metrics
    peers: Peers
    observer: Observer
    tracing: Tracing
    lane: Lane
    memory: Memory
    journal: Log
    recorder: StatusFile
    chores: Chores
    deliveries: Deliveries
    life: Callable[[], AbstractAsyncContextManager[None]]
    """Entered before the first request, left after the last."""
    model_name: str
    root_path: str
    """What a proxy takes off each path."""
    stack: str
    """Identity of the stack that this is part of; empty for none."""
    reload_token: SecretStr
    max_body_bytes: int
    max_batch_rows: int
    origins: tuple[str, ...]
    """Pages of other origins that may ask; the connections refuse all others."""


class Service(FastAPI):
    """A FastAPI application that is described by the model's contract."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        super().__init__(title=parts.model_name, lifespan=_lifespan(parts), docs_url=None, redoc_url=None)

    def openapi(self) -> dict[str, Any]:
        current = self._parts.slot.current
        contract = current.model.contract if current else None
        events = self._parts.deliveries.wanted
        found = openapi.document(contract, self._parts.model_name, self._parts.max_batch_rows, events=events)
        return found | ({"servers": [{"url": self._parts.root_path}]} if self._parts.root_path else {})


def build(parts: Parts) -> Service:
    app = Service(parts)
    carrier = Carrier(parts.slot, parts.lane, parts.memory, parts.metrics, parts.journal, parts.max_body_bytes)
    orders = Orders(parts.memory, parts.reload_token)
    app.include_router(health.router(parts.slot, parts.notes, parts.journal, parts.recorder, parts.chores, parts.stack))
    app.include_router(predict.router(parts.slot, carrier, parts.memory, parts.journal, orders, parts.max_body_bytes))
    app.include_router(
        feedback.router(parts.journal, parts.memory, parts.lane, carrier, parts.max_body_bytes, parts.max_batch_rows)
    )
    app.include_router(invocations.router(parts.slot, carrier))
    app.include_router(open_inference.router(parts.slot, carrier))
    app.include_router(model.router(parts.coordinator, parts.describer, parts.ledger, orders))
    app.include_router(rollout.router(parts.coordinator, orders))
    if parts.deliveries.wanted:
        app.include_router(registry_events.router(parts.deliveries, parts.memory, parts.peers, parts.metrics))
    app.include_router(metrics.router(parts.metrics, parts.peers, parts.lane))
    docs.add(app, parts.root_path)
    _answer_errors(app, parts.metrics)
    if parts.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=parts.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id"],
        )
    app.add_middleware(Heads)
    app.add_middleware(Watch, observer=parts.observer, tracing=parts.tracing)
    return app


def shedding(parts: Parts) -> ASGIApp:
    """An application that takes no request: for connections beyond those that the service admits."""

    async def shed(scope: Scope, receive: Receive, send: Send) -> None:
        problem = problems.of_error(Overloaded("there are too many connections"))
        parts.metrics.refused.labels(problem.slug).inc()
        response = refusal(problem)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)

    return Watch(shed, parts.observer, parts.tracing)


def _answer_errors(app: Service, counters: Metrics) -> None:
    def answer(problem: Problem) -> Response:
        counters.refused.labels(problem.slug).inc()
        return refusal(problem)

    async def on_error(_: Request, error: Exception) -> Response:
        return answer(problems.of_error(error))

    async def on_status(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(problems.of_status(error.status_code, str(error.detail), error.headers or {}))

    for kind in (*KINDS, TurnedAway, Exception):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(HTTPException, on_status)


def _lifespan(parts: Parts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with parts.life():
            yield

    return lifespan
