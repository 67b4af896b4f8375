"""What came true of what was predicted."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.batch.lane import INLINE_BYTES, Lane
from serving.exchange import Memory, check_json, encode, read_body
from serving.protocols.feedback import checked, parse
from serving.recorder.journal import Log
from serving.routes.carrier import Carrier


def router(
    journal: Log, memory: Memory, lane: Lane, carrier: Carrier, max_body_bytes: int, most_outcomes: int
) -> APIRouter:
    routes = APIRouter()

    @routes.post("/feedback")
    async def feedback(request: Request) -> Response:
        check_json(request)
        with memory.held() as held:
            body = await read_body(request, max_body_bytes, held)
            if len(body) <= INLINE_BYTES:
                outcomes = parse(body, most_outcomes)
            else:
                answer = await lane.outcomes(body)
                if answer.refusal:
                    return carrier.response(request, answer)
                assert isinstance(answer.body, bytes)
                outcomes = checked(answer.body)
        await journal.add_outcomes(outcomes)
        return Response(encode({"accepted": len(outcomes)}), 202, media_type="application/json")

    return routes
