"""For Prometheus."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from serving.batch.lane import Lane
from serving.errors import BatchFailed
from serving.observe.metrics import Metrics
from serving.peers import Peers
from serving.wire import Call

SETTLE_SECONDS = 1.0
"""A worker that takes longer is shown as it was when it last settled its counts."""
SCRAPE_SECONDS = 1.0
"""If the batch process takes longer, the worker reads the counts itself."""


def router(metrics: Metrics, peers: Peers, lane: Lane) -> APIRouter:
    routes = APIRouter()

    @routes.get("/metrics")
    async def scrape() -> Response:
        await peers.ask(Call(what="settle"), SETTLE_SECONDS)
        try:
            # not here: reading what all workers count takes milliseconds in which Python's lock is held
            text = await lane.scrape(SCRAPE_SECONDS)
        except BatchFailed:
            text = await asyncio.to_thread(metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
