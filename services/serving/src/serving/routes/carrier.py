"""From an HTTP request to a job and back: what the routes of all protocols have in common."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.batch import jobs
from serving.batch.lane import Lane, Streamed
from serving.calls import Answer
from serving.exchange import Memory, check_json, parts_of, read_body
from serving.observe.metrics import Metrics
from serving.slot import Slot

HEADERS = ("content-type", "accept", "inference-header-content-length")
"""What the protocols look at."""


class Carrier:
    """Answers in the job's own protocol, whatever happens on the way."""

    def __init__(self, slot: Slot, lane: Lane, memory: Memory, metrics: Metrics, longest_body: int) -> None:
        self._slot = slot
        self._lane = lane
        self._memory = memory
        self._refused = metrics.refused
        self._longest_body = longest_body

    async def whole(
        self, request: Request, job: str, options: Mapping[str, str] | None = None, *, json: bool = False
    ) -> Response:
        """A job whose body is read first.

        Args:
            json: A request that says it is anything but JSON is refused.
        """
        try:
            served = self._slot.served
            if json:
                check_json(request)
            with self._memory.held() as held:
                body = await read_body(request, self._longest_body, held)
                answer = await self._lane.run(job, served, _headers(request), options or {}, body)
        except Exception as error:  # noqa: BLE001
            answer = jobs.refuse(job, error)
        return self._response(request, answer)

    async def streamed(self, request: Request, job: str) -> Response:
        """A job whose request and answer are never held as a whole."""
        try:
            found = await self._lane.stream(job, self._slot.served, _headers(request), parts_of(request))
        except Exception as error:  # noqa: BLE001
            return self._response(request, jobs.refuse(job, error))
        if found.outcome.refusal:
            self._refused.labels(found.outcome.refusal).inc()
        request.state.rows = found.outcome.rows
        return _StreamedResponse(found)

    def _response(self, request: Request, answer: Answer) -> Response:
        request.state.rows = answer.rows
        if answer.refusal:
            self._refused.labels(answer.refusal).inc()
        return response(answer)


def response(answer: Answer) -> Response:
    assert isinstance(answer.body, bytes)
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)


class _StreamedResponse(StreamingResponse):
    def __init__(self, streamed: Streamed) -> None:
        outcome = streamed.outcome
        self._streamed = streamed
        super().__init__(_logged(streamed), outcome.status, dict(outcome.headers), outcome.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # not Starlette's own: it waits for the client to leave by taking what the client still sends
            await self.stream_response(send)
        finally:
            await self._streamed.close()


async def _logged(streamed: Streamed) -> AsyncIterator[bytes]:
    try:
        async for part in streamed.parts():
            yield part
    except asyncio.IncompleteReadError:
        # the batch process has logged why; the client sees that the answer has no end
        raise ConnectionAbortedError("the answer broke off") from None


def _headers(request: Request) -> Mapping[str, str]:
    return {name: request.headers[name] for name in HEADERS if name in request.headers}
