"""Predictions from raw fields."""

from time import perf_counter

from contract import FieldProblem, InvalidInput
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving import predictions
from serving.batch.lane import INLINE_BYTES
from serving.exchange import Memory, check_json, read_body
from serving.protocol_schemas import ARROW
from serving.recorder.journal import Log
from serving.routes.carrier import Carrier
from serving.routes.orders import Orders
from serving.slot import Slot


def router(
    slot: Slot, carrier: Carrier, memory: Memory, journal: Log, orders: Orders, max_body_bytes: int
) -> APIRouter:
    routes = APIRouter(prefix="/predict")

    @routes.post("")
    async def predict(request: Request) -> Response:
        explain = _is_asked(request, "explain")
        # a body whose length isn't told may be of any
        if explain or int(request.headers.get("content-length", INLINE_BYTES + 1)) > INLINE_BYTES:
            return await carrier.whole(request, "predict", {"explain": str(explain).lower()}, json=True)
        served = slot.served
        check_json(request)
        with memory.held() as held:
            body = await read_body(request, max_body_bytes, held)
        since = perf_counter()
        # on the event loop: a row takes some microseconds
        content = predictions.one(served, body)
        journal.add(perf_counter() - since, body, content)
        request.state.rows = 1
        return Response(content, media_type="application/json")

    @routes.post("/batch")
    async def predict_batch(request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == ARROW:
            return carrier.streamed(request, "predict-stream")
        # rollouts check what a replica answers: that is no traffic
        recorded = not orders.come_from_operator(request)
        return await carrier.whole(request, "predict-batch", json=True, recorded=recorded)

    return routes


def _is_asked(request: Request, name: str) -> bool:
    """A yes or no of the query. Raises InvalidInput."""
    given = request.query_params.get(name, "false")
    if given not in {"true", "false"}:
        raise InvalidInput([FieldProblem(name, f"is {given!r}", "true or false")])
    return given == "true"
