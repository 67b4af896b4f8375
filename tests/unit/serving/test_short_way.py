"""Which requests take the short way of ``/predict``; other tests tell what becomes of them, with it and without."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from serving.transport.direct import LONGEST_BODY_BYTES, ShortWay
from serving_servers import asking, bike_settings, listening

ROW = json.dumps({"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}).encode()
JSON = {"Content-Type": "application/json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were answered by the short way."""
    bodies: list[bytes] = []
    answer = ShortWay.answer

    def noted(self: ShortWay, headers: Mapping[bytes, bytes], body: bytes, since: float) -> tuple[str, bytes]:
        found = answer(self, headers, body, since)
        bodies.append(body)
        return found

    monkeypatch.setattr(ShortWay, "answer", noted)
    return bodies


@pytest.fixture
async def address(tmp_path: Path, run_dir: Path, registry: Any) -> AsyncIterator[str]:
    """Of a service that serves version 1."""
    async with listening(bike_settings(tmp_path, run_dir), registry) as found:
        async with asking(found) as client:
            await client.post("/reload", json={"version": 1}, headers={"Authorization": "Bearer secret"})
        yield found


async def answered(address: str, request: bytes) -> bytes:
    """All that a server says to that on one connection, once its client has said all."""
    host, _, port = urlsplit(address).netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


def post(*headers: str, path: str = "/predict", version: str = "1.1", body: bytes = ROW) -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_the_usual_clients_take_it(address: str, taken: list[bytes]) -> None:
    async with asking(address) as client:
        assert (await client.post("/predict", content=ROW, headers=JSON)).status_code == 200
    assert (await asyncio.to_thread(requests.post, f"{address}/predict", ROW, headers=JSON, timeout=10)).ok
    assert taken == [ROW, ROW]


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("Connection: keep-alive",),
        ("connection: Keep-Alive", "Accept: */*", "Accept-Encoding: gzip", "User-Agent: any"),
        ("X-Request-ID: job-17", f"traceparent: {TRACE}", "tracestate: vendor=1"),
    ],
)
async def test_a_plain_request_takes_it(address: str, taken: list[bytes], more: tuple[str, ...]) -> None:
    answer = await answered(address, post("Content-Type: application/json", *more))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert taken == [ROW]


@pytest.mark.parametrize(
    "request_",
    [
        post("Content-Type: application/json", path="/predict?explain=false"),
        post("Content-Type: application/json; charset=utf-8"),
        post("Content-Type: application/json", "Connection: close"),
        post("Content-Type: application/json", "Connection: keep-alive, TE"),
        post("Content-Type: application/json", "Connection: keep-alive", "Connection: close"),
        post("Content-Type: application/json", "Connection: keep-alive", version="1.0"),
        post("Content-Type: application/json", "X-Request-ID: one", "X-Request-ID: two"),
        post("Content-Type: application/json", body=ROW + b" " * (LONGEST_BODY_BYTES + 1 - len(ROW))),
    ],
    ids=lambda request: request.partition(b"\r\n\r\n")[0].decode().replace("\r\n", " "),
)
async def test_what_is_unusual_goes_to_the_application(address: str, taken: list[bytes], request_: bytes) -> None:
    answer = await answered(address, request_)
    assert answer.split(b" ", 2)[1] == b"200"
    assert taken == []


async def test_what_the_contract_refuses_goes_to_the_application_as_it_came(address: str, taken: list[bytes]) -> None:
    refused = post("Content-Type: application/json", body=b'{"station": 99}')
    both = await answered(address, refused + post("Content-Type: application/json"))
    assert re.findall(rb"HTTP/1.1 (\d+)", both) == [b"422", b"200"]
    assert b"is 99" in both


async def test_it_can_be_switched_off(tmp_path: Path, run_dir: Path, registry: Any, taken: list[bytes]) -> None:
    registry.alias = "1"
    settings = bike_settings(tmp_path, run_dir, direct=False)
    async with listening(settings, registry) as found, asking(found) as client:
        await client.post("/reload", headers={"Authorization": "Bearer secret"})
        assert (await client.post("/predict", content=ROW, headers=JSON)).status_code == 200
    assert taken == []
