"""A worker whose batches kill the process that is to do them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from serving.batch.address import BATCH_SOCKET
from serving_servers import bike_settings, listening

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}


@asynccontextmanager
async def dying(path: Path) -> AsyncIterator[list[bytes]]:
    """A batch process that dies of each order, and whose supervisor keeps its socket open; yields the orders."""
    orders = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        orders.append(await reader.readline())
        writer.transport.abort()

    async with await asyncio.start_unix_server(take, path):
        yield orders


async def test_a_batch_that_kills_its_process_twice_is_refused_and_rows_do_not_notice(
    tmp_path: Path, run_dir: Path, registry: Any
) -> None:
    settings = bike_settings(tmp_path, run_dir, batch_processes=1)
    async with (
        dying(run_dir / BATCH_SOCKET) as orders,
        listening(settings, registry) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        await client.post("/reload", json={"version": 1}, headers={"Authorization": "Bearer secret"})
        refused = await client.post("/predict/batch", json={"rows": [ROW] * 200})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["type"] == "urn:roundhouse:problem:batch-failed"
        assert len(orders) == 2
        assert (await client.post("/predict", json=ROW)).status_code == 200
