"""MLflow's scoring protocol, as ``mlflow models serve`` speaks it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from serving.errors import NoModel
from serving.protocols import invocations
from serving.routes.carrier import Carrier, response
from serving.slot import Slot


def router(slot: Slot, carrier: Carrier) -> APIRouter:
    routes = APIRouter()

    @routes.post("/invocations")
    async def invoke(request: Request) -> Response:
        return await carrier.whole(request, "invocations")

    @routes.get("/ping")
    @routes.get("/health")
    async def ping() -> Response:
        """Whether predictions can be had, which is what MLflow's clients mean by health."""
        if slot.current is None:
            return response(invocations.refusal(NoModel(slot.reason)))
        return PlainTextResponse("\n")

    @routes.get("/version")
    async def version() -> Response:
        return PlainTextResponse(invocations.VERSION)

    return routes
