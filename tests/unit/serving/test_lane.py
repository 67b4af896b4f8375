"""A worker whose batches kill the process that is to do them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from serving.batch.address import BATCH_SOCKET
from serving.batch.frames import TAKEN
from serving.sockets import address
from serving_servers import asking, bike_settings, listening

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}


@asynccontextmanager
async def dying(path: Path, taking: bool) -> AsyncIterator[list[bytes]]:
    """A batch process that dies of each order that it takes, and whose supervisor keeps its socket open; the orders."""
    orders = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        orders.append(await reader.readline())
        if taking:
            writer.write(TAKEN)
            await writer.drain()
            # what was said last isn't lost with the socket
            await reader.read()
        writer.transport.abort()

    async with await asyncio.start_unix_server(take, address(path)):
        yield orders


@pytest.mark.parametrize(("taking", "sent"), [(True, 1), (False, 2)])
async def test_a_batch_that_killed_its_process_is_not_tried_again_and_rows_do_not_notice(
    tmp_path: Path, run_dir: Path, registry: Any, taking: bool, sent: int
) -> None:
    settings = bike_settings(tmp_path, run_dir, batch_processes=1)
    async with (
        dying(run_dir / BATCH_SOCKET, taking) as orders,
        listening(settings, registry) as address,
        asking(address) as client,
    ):
        await client.post("/reload", json={"version": 1}, headers={"Authorization": "Bearer secret"})
        refused = await client.post("/predict/batch", json={"rows": [ROW] * 200})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["type"] == "urn:roundhouse:problem:batch-failed"
        assert len(orders) == sent
        assert (await client.post("/predict", json=ROW)).status_code == 200
