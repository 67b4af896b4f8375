"""From an HTTP request to a job and back: what the routes of all protocols have in common."""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.batch import jobs
from serving.batch.lane import Lane
from serving.calls import Answer
from serving.exchange import Memory, check_json, parts_of, read_body
from serving.observe.metrics import Metrics
from serving.recorder.journal import Log
from serving.slot import Slot

HEADERS = ("content-type", "accept", "inference-header-content-length")
"""What the protocols look at."""


class Carrier:
    """Answers in the job's own protocol, whatever happens on the way."""

    def __init__(
        self, slot: Slot, lane: Lane, memory: Memory, metrics: Metrics, journal: Log, longest_body: int
    ) -> None:
        self._slot = slot
        self._lane = lane
        self._memory = memory
        self._refused = metrics.refused
        self._journal = journal
        self._longest_body = longest_body

    async def whole(
        self,
        request: Request,
        job: str,
        options: Mapping[str, str] | None = None,
        *,
        json: bool = False,
        recorded: bool = True,
    ) -> Response:
        """A job whose body is read first.

        Args:
            json: A request that says it is anything but JSON is refused.
            recorded: The answer goes into the prediction log, if the job's answers do.
        """
        try:
            served = self._slot.served
            if json:
                check_json(request)
            with self._memory.held() as held:
                body = await read_body(request, self._longest_body, held)
                since = perf_counter()
                answer = await self._lane.run(job, served, _headers(request), options or {}, body)
            if recorded:
                self._record(job, perf_counter() - since, body, answer)
        except Exception as error:  # noqa: BLE001
            answer = jobs.refuse(job, error)
        return self.response(request, answer)

    def streamed(self, request: Request, job: str) -> Response:
        """A job whose request and answer are never held as a whole; done while it is sent."""
        return _Streaming(self._stream, request, job)

    async def _stream(self, request: Request, job: str, send: Send) -> Response | None:
        """Sends the answer; returns the refusal where there is one and nothing was sent."""
        begun = False
        try:
            async with self._lane.stream(job, self._slot.served, _headers(request), parts_of(request)) as found:
                outcome = found.outcome
                if outcome.refusal:
                    self._refused.labels(outcome.refusal).inc()
                request.state.rows = outcome.rows
                streaming = StreamingResponse(found.parts, outcome.status, dict(outcome.headers), outcome.media_type)
                begun = True
                # not Starlette's own call: it waits for the client to leave by taking what the client still sends
                await streaming.stream_response(send)
        except Exception as error:
            if not begun:
                return self.response(request, jobs.refuse(job, error))
            if not isinstance(error, ClientDisconnect):
                raise  # the server then ends the connection: the client sees that the answer has no end
        return None

    def _record(self, job: str, seconds: float, body: bytes, answer: Answer) -> None:
        if answer.refusal or not isinstance(answer.body, bytes):
            return
        if job == "predict":
            self._journal.add(seconds, body, answer.body)
        elif job == "predict-batch":
            self._journal.add_batch(seconds, body, answer.body)

    def response(self, request: Request, answer: Answer) -> Response:
        """Counts it, where it is a refusal."""
        request.state.rows = answer.rows
        if answer.refusal:
            self._refused.labels(answer.refusal).inc()
        return response(answer)


def response(answer: Answer) -> Response:
    assert isinstance(answer.body, bytes)
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)


class _Streaming(Response):
    """The application's answer to a request whose job begins with it and ends with it."""

    def __init__(
        self, stream: Callable[[Request, str, Send], Awaitable[Response | None]], request: Request, job: str
    ) -> None:
        super().__init__()
        self._stream = stream
        self._request = request
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._stream(self._request, self._job, send)
        if refusal is not None:
            await refusal(scope, receive, send)


def _headers(request: Request) -> Mapping[str, str]:
    return {name: request.headers[name] for name in HEADERS if name in request.headers}
