"""What clients do to a connection: slow, cut off, half closed, pipelined, too long, too many."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving.protocol_schemas import ARROW
from serving.transport.connection import LONGEST_HEAD_BYTES, Connection
from serving_servers import asking, bike_settings, listening

ROW = json.dumps({"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}).encode()
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body: bytes = ROW, path: str = "/predict", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


class Client:
    """A client that says what it is told to, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def say(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body

    async def line(self) -> bytes:
        return (await self._reader.readuntil(b"\r\n\r\n")).strip()

    async def count(self, head: bytes, most: int) -> int:
        """How often it is heard, until it was so often, or until the end."""
        heard, found = b"", 0
        while found < most and (part := await self._reader.read(1 << 16)):
            heard += part
            found += heard.count(head)
            heard = heard[heard.rfind(head) + len(head) :] if head in heard else heard[-len(head) :]
        return found

    async def rest(self) -> bytes:
        return await self._reader.read()

    async def ended(self) -> bool:
        return await self._reader.read(1) == b""


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    host, _, port = urlsplit(address).netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


Start = Callable[..., Any]


@pytest.fixture(params=["direct", "asgi"])
def start(request: pytest.FixtureRequest, tmp_path: Path, run_dir: Path, registry: Any) -> Start:
    """``async with start(**settings) as address``: a service that serves version 1."""
    registry.alias = "1"

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[str]:
        known = {"max_body_bytes": 100_000, "direct": request.param == "direct"}
        settings = bike_settings(tmp_path, run_dir, **known | changes)
        async with listening(settings, registry) as address:
            async with asking(address) as client:
                await client.post("/reload", headers={"Authorization": "Bearer secret"})
            yield address

    return started


def slug(body: bytes) -> str:
    return str(json.loads(body)["type"]).removeprefix("urn:roundhouse:problem:")


async def test_a_request_in_single_bytes_is_answered_like_any_other(start: Start) -> None:
    async with start() as address, connected(address) as client:
        for byte in post():
            await client.say(bytes([byte]))
        status, _, body = await client.hear()
        assert status == 200
        assert json.loads(body)["model"]["version"] == "1"


async def test_pipelined_requests_are_answered_in_their_order(start: Start) -> None:
    rows = [json.dumps({"at": "2024-05-01T08:00:00", "station": 5 + n % 7, "temperature": n % 40}) for n in range(60)]
    async with start() as address, asking(address) as one, connected(address) as client:
        alone = [(await one.post("/predict", content=row)).json()["prediction"] for row in rows]
        # every third is refused by the application, every third answered by it: none overtakes another
        mixed = [part for row in rows for part in (post(row.encode()), GET, post(b"{}"))]
        await client.say(b"".join(mixed))
        heard = [await client.hear() for _ in mixed]
        assert [status for status, _, _ in heard] == [200, 200, 422] * len(rows)
        assert [json.loads(body)["prediction"] for _, _, body in heard[::3]] == alone


@pytest.mark.thorough
async def test_a_client_that_reads_nothing_is_not_written_to_without_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, pause, many = asyncio.Event(), Connection.pause_writing, 20_000

    def noted(connection: Connection) -> None:
        full.set()
        pause(connection)

    monkeypatch.setattr(Connection, "pause_writing", noted)
    async with start() as address, connected(address) as client, asking(address) as other:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(post() * many)
        async with asyncio.timeout(60):
            await full.wait()
        for _ in range(200):
            assert (await other.post("/predict", content=ROW)).status_code == 200
        assert await metric(address, "serving_requests_total", route="/predict") < many
        # it gets the rest as soon as it reads on
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            assert await client.count(b"HTTP/1.1 200 OK", many) == many
        client.writer.transport.abort()
        assert (await other.post("/predict", content=ROW)).status_code == 200


async def test_a_client_that_has_said_all_it_wants_still_gets_its_answers(start: Start) -> None:
    for last in (post(), GET, post(b"{}"), post(b'{"rows": [' + b",".join([ROW] * 300) + b"]}", "/predict/batch")):
        async with start() as address, connected(address) as client:
            await client.say(GET + last)
            client.writer.write_eof()
            assert (await client.hear())[0] == 200
            assert (await client.hear())[0] in {200, 422}
            assert await client.ended()


async def test_half_a_request_is_no_request(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(post()[:-5])
        client.writer.write_eof()
        assert await client.ended()
        async with asking(address) as other:
            assert 'route="/predict",status="200"' not in (await other.get("/metrics")).text


@pytest.mark.parametrize("part", [b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Le", post()[:-5]])
async def test_a_request_that_does_not_arrive_in_time_is_refused(start: Start, part: bytes) -> None:
    async with start(read_seconds=0.5) as address, connected(address) as client:
        await client.say(GET)
        await client.hear()
        await client.say(part)
        status, headers, body = await client.hear()
        assert (status, slug(body), headers["connection"]) == (408, "request-timeout", "close")
        assert len(headers["x-request-id"]) == 32
        assert await client.ended()
        assert await metric(address, "serving_refused_total", reason="request-timeout") == 1
        assert await metric(address, "serving_refused_total", reason="client-left") == 0
        assert await metric(address, "serving_requests_total", status="408") == 1


async def metric(address: str, name: str, **labels: str) -> float:
    async with asking(address) as client:
        families = text_string_to_metric_families((await client.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


@pytest.mark.thorough
async def test_a_stream_has_that_time_for_each_of_its_parts(start: Start) -> None:
    body = pa.BufferOutputStream()
    with pa.ipc.new_stream(body, pa.schema([("at", pa.string())])):
        pass
    content = body.getvalue().to_pybytes()
    async with start(read_seconds=1) as address, connected(address) as client:
        lines = ["POST /predict/batch HTTP/1.1", "Host: x", f"Content-Type: {ARROW}", f"Content-Length: {len(content)}"]
        await client.say("\r\n".join([*lines, "", ""]).encode())
        for position in range(6):
            await asyncio.sleep(0.6)  # in all, longer than a request may take
            await client.say(content[position : position + 1])
        await client.say(content[6:])
        head = await client.line()
        assert head.startswith(b"HTTP/1.1 422 ")  # for the columns that it lacks, not for its time


async def test_a_stream_that_stops_after_its_answer_has_begun_is_cut_off(start: Start) -> None:
    batch = pa.RecordBatch.from_pylist([json.loads(ROW)] * 1_000)
    parts = [batch.schema.serialize().to_pybytes(), *[batch.serialize().to_pybytes()] * 10]
    head = f"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {ARROW}\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with start(read_seconds=0.5) as address, connected(address) as client:
        await client.say(head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts))
        assert (await client.line()).startswith(b"HTTP/1.1 200 ")
        rest = await client.rest()
        # no second head within the answer, and no end of it
        assert b"HTTP/1.1" not in rest
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_connection_that_asks_nothing_more_is_closed_after_a_while(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.transport.server.KEEP_ALIVE_SECONDS", 0.1)
    async with start() as address, connected(address) as silent, connected(address) as half:
        await half.say(post()[:-5])
        assert await silent.ended()
        await half.say(post()[-5:])
        assert (await half.hear())[0] == 200


async def test_what_is_not_http_is_refused(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(b"\x16\x03\x01 hello\r\n\r\n")
        status, _, body = await client.hear()
        assert (status, slug(body)) == (400, "bad-request")
        assert await client.ended()
        async with asking(address) as other:
            assert 'serving_refused_total{reason="bad-request"} 1.0' in (await other.get("/metrics")).text


LONG = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(40))
"""Lines of a head, longer than one may be."""


async def test_a_head_without_end_is_cut_off(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(b"GET / HTTP/1.1\r\n" + LONG)
        status, _, body = await client.hear()
        assert (status, slug(body)) == (431, "head-too-large")


async def test_a_head_that_comes_in_one_piece_with_other_requests_is_not_taken_to_be_as_long(start: Start) -> None:
    batch = post(b'{"rows": [' + b",".join([ROW] * 500) + b"]}", "/predict/batch")
    async with start() as address, connected(address) as client:
        for others in ([post()] * 200, [batch]):
            assert sum(map(len, others)) > LONGEST_HEAD_BYTES
            await client.say(b"".join(others) + post()[:40])
            assert [(await client.hear())[0] for _ in others] == [200] * len(others)
            await client.say(post()[40:])
            assert (await client.hear())[0] == 200
        # one that is too long is cut off all the same
        await client.say(GET + b"GET / HTTP/1.1\r\nX: ")
        assert (await client.hear())[0] == 200
        await client.say(LONG)
        status, _, body = await client.hear()
        assert (status, slug(body)) == (431, "head-too-large")


async def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read(start: Start) -> None:
    async with start() as address, connected(address) as client:
        for path in ("/predict", "/predict/batch"):
            await client.say(post(path=path).split(b"\r\nContent-Length")[0] + b"\r\nContent-Length: 100001\r\n\r\n")
            status, _, body = await client.hear()
            assert (status, slug(body)) == (413, "body-too-large")
            await client.say(b" " * 100_001)  # it may still come: the connection goes on after it


async def test_an_endless_body_is_cut_at_the_limit(start: Start) -> None:
    async with start() as address, connected(address) as client:
        fields = [b"Host: x", b"Content-Type: application/json", b"Transfer-Encoding: chunked"]
        head = b"\r\n".join([b"POST /predict HTTP/1.1", *fields, b"", b""])
        await client.say(head + b"2710\r\n" + b" " * 10_000 + b"\r\n")
        for _ in range(10):
            await client.say(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        status, _, body = await client.hear()
        assert (status, slug(body)) == (413, "body-too-large")


async def test_connections_beyond_the_limit_are_shed_and_the_others_served(start: Start) -> None:
    async with start(max_connections=2) as address, connected(address) as first, connected(address) as second:
        for client in (first, second):
            await client.say(post())
            assert (await client.hear())[0] == 200
        async with connected(address) as third:
            await third.say(post())
            status, headers, body = await third.hear()
            assert (status, slug(body), headers["retry-after"]) == (503, "overloaded", "1")
            assert await third.ended()
        await first.say(post())
        assert (await first.hear())[0] == 200


@pytest.mark.parametrize(
    ("headers", "id_is", "status"),
    [
        (("X-Request-ID: job-17",), "job-17", 200),
        (("X-Request-ID: a\tb",), None, 200),
        (("X-Request-ID: " + "x" * 129,), None, 200),
        (("X-Request-ID: one", "X-Request-ID: two"), "one", 200),
        (("Connection: close",), None, 200),
        (("Content-Type: text/plain",), None, 415),
    ],
)
async def test_every_answer_has_a_request_id(
    start: Start, headers: tuple[str, ...], id_is: str | None, status: int
) -> None:
    request = post().replace(b"application/json", b"text/plain") if status == 415 else post(ROW, "/predict", *headers)
    async with start() as address, connected(address) as client:
        await client.say(request)
        found, answer, _ = await client.hear()
        assert found == status
        given = answer["x-request-id"]
        assert given == id_is or (id_is is None and len(given) == 32)


async def test_a_client_that_asks_first_is_told_to_go_on(start: Start) -> None:
    async with start() as address, connected(address) as client:
        request = post(ROW, "/predict", "Expect: 100-continue")
        await client.say(request[: -len(ROW)])
        assert await client.line() == b"HTTP/1.1 100 Continue"
        await client.say(ROW)
        assert (await client.hear())[0] == 200


@pytest.mark.parametrize("said", [len(post()) - 5, 40])
async def test_a_request_under_way_is_answered_before_the_service_ends(start: Start, said: int) -> None:
    async with asyncio.timeout(20), AsyncExitStack() as clients:
        async with start() as address:
            half = await clients.enter_async_context(connected(address))
            await half.say(post()[:said])
            idle = await clients.enter_async_context(connected(address))
            await idle.say(post())
            await idle.hear()
            finishing = asyncio.create_task(_finish_once_ended(idle, half, post()[said:]))
        # the service has ended here: it waited for the request
        await finishing
        assert (await half.hear())[0] == 200
        assert await half.ended()


async def _finish_once_ended(idle: Client, half: Client, rest: bytes) -> None:
    assert await idle.ended()  # so the service has begun to end
    await half.say(rest)


def chunked(*parts: bytes, path: str = "/predict") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked"]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


async def test_trailers_have_a_bound_whatever_they_are(start: Start) -> None:
    for piece in (b"X-Trailer: " + b"y" * 1000 + b"\r\n", b"z" * 1000):  # many, and one without an end
        async with start() as address, connected(address) as client:
            await client.say(chunked(ROW) + b"0\r\n")
            with suppress(ConnectionError):
                for _ in range(1000):
                    await client.say(piece)
            status, _, body = await client.hear()
            assert (status, slug(body)) == (431, "head-too-large")


async def test_the_framing_of_chunks_has_a_bound(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(chunked(ROW[:10]))
        with suppress(ConnectionError):
            for _ in range(1000):
                await client.say(b"1;" + b"extension" * 100 + b"\r\n \r\n")
        status, _, body = await client.hear()
        assert (status, slug(body)) == (431, "head-too-large")


async def test_a_body_in_single_bytes_is_no_attack(start: Start) -> None:
    async with start() as address, connected(address) as client:
        whole = json.dumps({"rows": [json.loads(ROW)] * 200}).encode()
        await client.say(chunked(*[bytes([byte]) for byte in whole], path="/predict/batch") + b"0\r\n\r\n")
        status, _, body = await client.hear()
        assert (status, len(json.loads(body)["predictions"])) == (200, 200)


async def test_a_head_that_comes_at_once_has_the_same_bound(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(post(ROW, "/predict", "X-Long: " + "y" * 120_000))
        status, _, body = await client.hear()
        assert (status, slug(body)) == (431, "head-too-large")
        assert await client.ended()


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("apart", [False, True])
async def test_an_upgrade_is_not_taken_and_the_body_is_the_request_s(
    start: Start, protocol: str, *, apart: bool
) -> None:
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    upgrade = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABk")
    async with start() as address, connected(address) as client:
        for body, expected in ((ROW, 200), (smuggled, 400)):
            request = post(body, "/predict", *upgrade)
            for piece in (request[:-20], request[-20:]) if apart else (request,):
                await client.say(piece)
                await asyncio.sleep(0.01)
            status, _, answer = await client.hear()
            assert status == expected
            assert (b"prediction" in answer) == (expected == 200)
        await client.say(GET)
        assert (await client.hear())[0] == 200


async def test_what_an_earlier_request_had_counts_for_no_later_one(start: Start) -> None:
    long = b'{"rows": [' + b", ".join([ROW] * 500) + b"]}"
    async with start() as address, connected(address) as client:
        for _ in range(2):
            await client.say(post(long, "/predict/batch"))
            assert (await client.hear())[0] == 200
            request = post()
            for piece in (request[:20], request[20:-20], request[-20:]):
                await client.say(piece)
                await asyncio.sleep(0.01)
            assert (await client.hear())[0] == 200


async def test_connect_is_refused(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(b"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        assert (await client.hear())[0] == 405
        assert await client.ended()


async def test_garbage_behind_requests_is_not_answered_in_their_place(start: Start) -> None:
    async with start() as address, connected(address) as client:
        await client.say(GET + post() + post(b"{}") + b"garbage\r\n\r\n" + GET)
        assert [(await client.hear())[0] for _ in range(3)] == [200, 200, 422]
        assert await client.ended()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("", 400),
        ("Host: x\r\nHost: x", 400),
        ("Host: evil.example", 403),
        ("Host: 127.0.0.1:80@evil.example", 403),
        ("Host: x\r\nOrigin: http://evil.example", 403),
        ("Host: x\r\nOrigin: null", 403),
        ("Host: x\r\nOrigin: http://x:81", 403),
        ("Host: x\r\nOrigin: http://x", 200),
        ("Host: x\r\nContent-Encoding: gzip", 415),
        ("Host: x\r\nContent-Encoding: identity", 200),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/health/live", "/nowhere"])
async def test_who_may_ask_and_under_which_name(start: Start, lines: str, status: int, path: str) -> None:
    batch = b'{"rows": [%b]}' % ROW if path == "/predict/batch" else ROW
    method = "GET" if path == "/health/live" else "POST"
    head = (
        f"{method} {path} HTTP/1.1\r\n{lines}\r\nContent-Type: application/json\r\nContent-Length: {len(batch)}\r\n\r\n"
    )
    async with start() as address, connected(address) as client:
        await client.say(head.replace("\r\n\r\nContent-Type", "\r\nContent-Type").encode() + batch)
        found, _, _ = await client.hear()
        assert found == (404 if (path, status) == ("/nowhere", 200) else status)


async def test_a_page_that_is_named_may_ask_and_read(start: Start) -> None:
    app = "https://app.example"
    async with start(allowed_origins=app) as address, asking(address) as client:
        asked = {
            "Origin": app,
            "Access-Control-Request-Headers": "content-type",
        }
        for path, method in (("/predict", "POST"), ("/health/ready", "GET"), ("/v2/health/live", "GET")):
            preflight = await client.options(path, headers=asked | {"Access-Control-Request-Method": method})
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, app)
        answer = await client.post("/predict", content=ROW, headers={"Origin": app, "Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, app)
        assert (await client.get("/model", headers={"Origin": "https://evil.example"})).status_code == 403


async def test_outcomes_that_are_wrong_cost_little(start: Start) -> None:
    async with start(max_body_bytes=10_000_000) as address, asking(address) as client:
        wrong = {"outcomes": [{"prediction_id": [[]] * 50, "actual": "x" * 50, "more": 1}] * 20_000}
        answer = await client.post("/feedback", json=wrong)
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 100
        assert answer.json()["errors"][1]["problem"] == "is a list"


@pytest.mark.parametrize("most", ["9" * 5000, "0" * 5000 + "1", "\u0661", "1e3", "-1", ""])
async def test_a_number_of_the_query_is_a_short_one(start: Start, most: str) -> None:
    async with start() as address, asking(address) as client:
        assert (await client.get("/model/history", params={"most": most})).status_code == 422
        length = {"Inference-Header-Content-Length": "0" * 5000 + "1"}
        assert (await client.post("/v2/models/bike-demand/infer", content=b"{}", headers=length)).status_code == 400
