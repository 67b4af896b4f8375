"""The model service, listening in the test's own process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serving.composition import compose
from serving.settings import Settings
from serving.transport.server import front


@asynccontextmanager
async def listening(settings: Settings, registry: Any) -> AsyncIterator[str]:
    """A worker as its process runs it; yields its address, ``http://127.0.0.1:…``."""
    # named as TCP, or asyncio leaves Nagle's algorithm on, and each answer takes 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = front(compose(settings, registry))
    running = asyncio.create_task(server.serve([listener]))
    while not server.started and not running.done():  # noqa: ASYNC110  uvicorn sets a flag, no event
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
