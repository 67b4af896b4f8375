"""For Prometheus."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from serving.metrics import Metrics


def router(metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/metrics")
    async def scrape() -> Response:
        return Response(await asyncio.to_thread(metrics.text), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
