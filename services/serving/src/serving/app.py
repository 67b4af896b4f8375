"""The application: it only wires."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving import openapi, problems
from serving.coordinator import Coordinator
from serving.description import Describer
from serving.exchange import refusal
from serving.metrics import Metrics
from serving.notes import NoteFile
from serving.problems import KINDS, Problem
from serving.routes import docs, health, metrics, model, predict
from serving.slot import Slot
from serving.watch import Watch


@dataclass(frozen=True)
class Parts:
    """What the application is made of."""

    slot: Slot
    coordinator: Coordinator
    describer: Describer
    notes: NoteFile
    metrics: Metrics
    life: Callable[[], AbstractAsyncContextManager[None]]
    """Entered before the first request, left after the last."""
    model_name: str
    reload_token: SecretStr
    max_body_bytes: int
    max_batch_rows: int


class Service(FastAPI):
    """A FastAPI application that is described by the model's contract."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        super().__init__(title=parts.model_name, lifespan=_lifespan(parts), docs_url=None, redoc_url=None)

    def openapi(self) -> dict[str, Any]:
        current = self._parts.slot.current
        contract = current.model.contract if current else None
        return openapi.document(contract, self._parts.model_name, self._parts.max_batch_rows)


def build(parts: Parts) -> Service:
    app = Service(parts)
    app.include_router(health.router(parts.slot, parts.notes))
    app.include_router(predict.router(parts.slot, parts.metrics, parts.max_body_bytes, parts.max_batch_rows))
    app.include_router(model.router(parts.coordinator, parts.describer, parts.reload_token))
    app.include_router(metrics.router(parts.metrics))
    docs.add(app)
    _answer_errors(app, parts.metrics)
    app.add_middleware(Watch, metrics=parts.metrics, paths=[*app.openapi()["paths"], "/docs", "/openapi.json"])
    return app


def _answer_errors(app: Service, counters: Metrics) -> None:
    def answer(problem: Problem) -> Response:
        counters.refused.labels(problem.slug).inc()
        return refusal(problem)

    async def on_error(_: Request, error: Exception) -> Response:
        return answer(problems.of_error(error))

    async def on_status(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(problems.of_status(error.status_code, str(error.detail), error.headers or {}))

    async def on_disconnect(_: Request, __: Exception) -> Response:
        return answer(problems.of_status(400, "the client left before its body ended", {}))

    app.add_exception_handler(ClientDisconnect, on_disconnect)
    for kind in (*KINDS, Exception):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(HTTPException, on_status)


def _lifespan(parts: Parts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with parts.life():
            yield

    return lifespan
