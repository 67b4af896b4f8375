"""For Prometheus."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from serving.observe.metrics import Metrics
from serving.peers import Peers
from serving.wire import Call

SETTLE_SECONDS = 1.0
"""A worker that takes longer is shown as it was when it last settled its counts."""


def router(metrics: Metrics, peers: Peers) -> APIRouter:
    routes = APIRouter()

    @routes.get("/metrics")
    async def scrape() -> Response:
        await peers.ask(Call(what="settle"), SETTLE_SECONDS)
        return Response(await asyncio.to_thread(metrics.text), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
