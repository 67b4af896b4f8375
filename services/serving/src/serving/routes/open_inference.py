"""The Open Inference Protocol (KServe V2)."""

from collections.abc import Callable
from io import BytesIO

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.calls import Answer, Call, Limits
from serving.errors import NoModel
from serving.predictions import Served
from serving.protocols import open_inference
from serving.routes.carrier import Carrier, response
from serving.slot import Slot

MODEL = "/models/{model}"
VERSION = "/models/{model}/versions/{version}"


def router(slot: Slot, carrier: Carrier) -> APIRouter:
    routes = APIRouter(prefix="/v2")

    def tell(ask: Callable[[Served, Call], Answer], model: str, version: str) -> Response:
        asked = Call(BytesIO(), Limits(0, 0), options={"model": model, "version": version})
        try:
            return response(ask(slot.served, asked))
        except Exception as error:  # noqa: BLE001
            return response(open_inference.refusal(error))

    @routes.get("/", include_in_schema=False)
    @routes.get("")
    async def server() -> Response:
        return response(open_inference.server_metadata())

    @routes.get("/health/live")
    async def live() -> Response:
        return response(open_inference.live())

    @routes.get("/health/ready")
    async def ready() -> Response:
        if slot.current is None:
            return response(open_inference.refusal(NoModel(slot.reason)))
        return response(open_inference.ready())

    @routes.get(VERSION)
    @routes.get(MODEL)
    async def model(model: str, version: str = "") -> Response:
        return tell(open_inference.model_metadata, model, version)

    @routes.get(f"{VERSION}/ready")
    @routes.get(f"{MODEL}/ready")
    async def model_ready(model: str, version: str = "") -> Response:
        return tell(open_inference.model_ready, model, version)

    @routes.post(f"{VERSION}/infer")
    @routes.post(f"{MODEL}/infer")
    async def infer(request: Request, model: str, version: str = "") -> Response:
        return await carrier.whole(request, "infer", {"model": model, "version": version})

    return routes
