"""Predictions from JSON."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving import predictions
from serving.exchange import answer, encode, read_json
from serving.metrics import Metrics
from serving.predictions import Served
from serving.slot import Slot


def router(slot: Slot, metrics: Metrics, max_body_bytes: int, max_batch_rows: int) -> APIRouter:
    routes = APIRouter(prefix="/predict")
    single_rows, batch_rows = metrics.rows.labels("/predict"), metrics.rows.labels("/predict/batch")

    @routes.post("")
    async def predict(request: Request) -> Response:
        served = slot.served
        # on the event loop: a row takes a fraction of a millisecond, less than handing it to a thread
        response = answer(predictions.predict(served, await read_json(request, max_body_bytes)))
        single_rows.inc()
        return response

    @routes.post("/batch")
    async def predict_batch(request: Request) -> Response:
        served = slot.served
        body = await read_json(request, max_body_bytes)
        content, rows = await asyncio.to_thread(_batch, served, body)
        batch_rows.inc(rows)
        return Response(content, media_type="application/json")

    def _batch(served: Served, body: bytes) -> tuple[bytes, int]:
        found = predictions.predict_batch(served, body, max_batch_rows)
        return encode(found), len(found["predictions"])

    return routes
