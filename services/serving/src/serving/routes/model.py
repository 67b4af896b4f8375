"""What is served, and the call that changes it."""

import asyncio

from contract import FieldProblem, InvalidInput
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from serving.coordinator import Coordinator
from serving.description import Describer
from serving.exchange import answer
from serving.ledger import Ledger
from serving.routes.orders import Orders, Version

USUAL_HISTORY = 50
LONGEST_HISTORY = 1_000


class ReloadRequest(BaseModel):
    """Body of ``/reload``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Version | None = None
    """None: the one that the alias points to."""


def router(coordinator: Coordinator, describer: Describer, ledger: Ledger, orders: Orders) -> APIRouter:
    routes = APIRouter()

    @routes.get("/model")
    async def model() -> Response:
        return answer(await describer.describe())

    @routes.get("/model/history")
    async def history(request: Request) -> Response:
        most = _most(request.query_params.get("most", str(USUAL_HISTORY)))
        return answer({"rollouts": await asyncio.to_thread(ledger.rollouts, most)})

    @routes.post("/reload")
    async def reload(request: Request) -> Response:
        wanted = (await orders.read(request, ReloadRequest)).version
        swapped = await (coordinator.serve_version(wanted) if wanted else coordinator.serve_champion())
        return answer(
            {
                "from": swapped.before.version,
                "to": swapped.after.version,
                "generation": swapped.after.generation,
                "workers": [status.model_dump() for status in swapped.workers],
            }
        )

    return routes


def _most(given: str) -> int:
    """How many rollouts are asked for. Raises InvalidInput."""
    # Python refuses to make a number of thousands of digits
    is_short = given.isascii() and given.isdecimal() and len(given) <= len(str(LONGEST_HISTORY))
    if not is_short or not 1 <= int(given) <= LONGEST_HISTORY:
        raise InvalidInput([FieldProblem("most", f"is {given[:20]!r}", f"a whole number from 1 to {LONGEST_HISTORY}")])
    return int(given)
