"""MLflow's webhook: the registry tells that an alias has moved, so that nobody waits for the next poll.

What is told is only a reason to look: where the alias points is asked of the registry.
"""

import time

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.deliveries import Deliveries
from serving.exchange import Memory, check_json, encode, read_body
from serving.observe.metrics import Metrics
from serving.peers import Peers
from serving.wire import Call

MOST_BYTES = 16 * 1024
"""Of a body: the longest names that MLflow allows, each character escaped, fit several times."""

LOOK_SECONDS = 1.0
"""If the worker that follows the alias is silent for longer, its next poll will do."""


def router(deliveries: Deliveries, memory: Memory, peers: Peers, metrics: Metrics) -> APIRouter:
    routes = APIRouter(prefix="/registry")

    @routes.post("/events")
    async def event(request: Request) -> Response:
        check_json(request)
        with memory.held() as held:
            body = await read_body(request, MOST_BYTES, held)
        deliveries.check(request.headers, body, time.time())
        concerned = deliveries.concerned(body)
        if concerned:
            # of all workers: which of them follows the alias only its lock knows
            await peers.ask(Call(what="look"), LOOK_SECONDS)
        metrics.registry_events.labels("followed" if concerned else "ignored").inc()
        return Response(encode({"follows": concerned}), 202, media_type="application/json")

    return routes
