"""A rollout's steps on this replica; who drives it takes them on all replicas and moves the alias last.

A version that was swapped to is leased: if nobody renews the lease, and the alias hasn't come to point to it, the
replica goes back by itself.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from serving.coordinator import Coordinator
from serving.exchange import answer
from serving.routes.orders import Orders, Version

USUAL_LEASE_SECONDS = 60.0


class VersionOrder(BaseModel):
    """Body of ``stage`` and ``abandon``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Version


class LeaseOrder(VersionOrder):
    """Body of ``swap`` and ``renew``."""

    lease_seconds: Annotated[float, Field(gt=0, le=3600)] = USUAL_LEASE_SECONDS


def router(coordinator: Coordinator, orders: Orders) -> APIRouter:
    routes = APIRouter(prefix="/rollout")

    @routes.post("/stage")
    async def stage(request: Request) -> Response:
        order = await orders.read(request, VersionOrder)
        return answer({"version": order.version, "digest": await coordinator.stage(order.version)})

    @routes.post("/swap")
    async def swap(request: Request) -> Response:
        order = await orders.read(request, LeaseOrder)
        swapped = await coordinator.lease_version(order.version, order.lease_seconds)
        lease = swapped.after.lease
        assert lease is not None
        return answer(
            {
                "from": swapped.before.version,
                "to": swapped.after.version,
                "generation": swapped.after.generation,
                "digest": swapped.digest,
                "lease_until": lease.until.isoformat(),
                "workers": [status.model_dump() for status in swapped.workers],
            }
        )

    @routes.post("/renew")
    async def renew(request: Request) -> Response:
        order = await orders.read(request, LeaseOrder)
        lease = await coordinator.renew(order.version, order.lease_seconds)
        return answer({"lease_until": lease.until.isoformat()})

    @routes.post("/abandon")
    async def abandon(request: Request) -> Response:
        order = await orders.read(request, VersionOrder)
        state = await coordinator.abandon(order.version)
        return answer({"version": state.version, "generation": state.generation})

    return routes
