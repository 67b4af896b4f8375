"""What a worker records of what it is asked and told, over HTTP, and when it says so."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from serving.protocol_schemas import ARROW
from serving_servers import asking, bike_settings, listening

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
BATCH = {"rows": [ROW, {**ROW, "station": 9}]}
OUTCOME: dict[str, Any] = {"prediction_id": "0" * 31 + "7", "actual": 4.5}
TYPES = {"at": "BYTES", "station": "INT64", "temperature": "FP64", "docks": "INT64"}

Start = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def start(tmp_path: Path, run_dir: Path, registry: Any) -> Start:
    """``async with start() as client``: a worker that serves version 1 and whose recorder sends nothing on."""
    settings = bike_settings(tmp_path, run_dir, warehouse_url="postgresql://nobody@127.0.0.1:9/warehouse")

    @asynccontextmanager
    async def started() -> AsyncIterator[httpx.AsyncClient]:
        async with listening(settings, registry) as address, asking(address) as client:
            await client.post("/reload", json={"version": 1}, headers={"Authorization": "Bearer secret"})
            yield client

    return started


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "bike-demand" / "spool"


def files(spool: Path) -> list[Path]:
    return sorted(spool.iterdir())


def lines(spool: Path) -> list[list[bytes]]:
    """The columns of each line."""
    written = b"".join(path.read_bytes() for path in files(spool))
    return [line.split(b"\t") for line in written.splitlines()]


async def test_answers_to_rows_and_batches_alone_are_recorded(start: Start, spool: Path) -> None:
    table = pa.BufferOutputStream()
    with pa.ipc.new_stream(table, (rows := pa.RecordBatch.from_pylist([ROW])).schema) as stream:
        stream.write_batch(rows)
    inputs = [{"name": name, "shape": [1], "datatype": TYPES[name], "data": [value]} for name, value in ROW.items()]
    async with start() as client:
        others = [
            await client.post("/predict/batch", content=table.getvalue().to_pybytes(), headers={"Content-Type": ARROW}),
            await client.post("/invocations", json={"instances": [ROW]}),
            await client.post("/v2/models/bike-demand/infer", json={"inputs": inputs}),
        ]
        assert [answer.status_code for answer in others] == [200] * 3
        for path, body in (("/predict", ROW), ("/predict?explain=true", ROW), ("/predict/batch", BATCH)):
            assert (await client.post(path, json=body)).status_code == 200
    # at its end the worker has written all that it was to write
    assert [(kind, json.loads(request)) for kind, _, _, request, _ in lines(spool)] == [
        (b"one", ROW),
        (b"one", ROW),
        (b"batch", BATCH),
    ]


async def test_an_outcome_is_on_the_disk_by_its_content_and_its_name_before_its_202(
    start: Start, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, fsync = threading.Event(), threading.Event(), os.fsync
    kept: list[Path] = []

    def slowly(handle: int) -> None:
        begun.set()
        assert go_on.wait(30)
        fsync(handle)
        kept.append(Path(f"/proc/self/fd/{handle}").readlink())

    async with start() as client:
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", slowly)
            told = asyncio.create_task(client.post("/feedback", json=OUTCOME))
            assert await asyncio.to_thread(begun.wait, 10)
            assert [line[1:] for line in lines(spool)] == [[OUTCOME["prediction_id"].encode(), b"4.5"]]
            # other requests don't wait for the disk, and this one does
            assert (await client.post("/predict", content=b"{}")).status_code == 422
            assert not told.done()
            go_on.set()
            assert (await told).status_code == 202
        assert kept == [*files(spool), spool]


async def test_an_outcome_that_the_disk_does_not_take_is_refused(
    start: Start, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError("Input/output error")

    async with start() as client:
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", broken)
            refused = await client.post("/feedback", json=OUTCOME)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:roundhouse:problem:not-recorded")
        assert refused.json()["detail"] == "the spool: Input/output error"
        assert lines(spool) == []
        assert (await client.post("/feedback", json=OUTCOME)).status_code == 202
        assert len(lines(spool)) == 1
