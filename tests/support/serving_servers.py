"""The model service, listening in the test's own process."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from serving.composition import compose
from serving.settings import Settings
from serving.transport.server import front
from serving.trial import try_here


def bike_settings(folder: Path, run_dir: Path, **changes: Any) -> Settings:
    """Of a worker that serves ``bike-demand`` and does its batches itself; its registry is the test's."""
    known: dict[str, Any] = {
        "store": folder,
        "run_dir": run_dir,
        "model_name": "bike-demand",
        "allowed_hosts": "127.0.0.1:*,x",
        "reload_token": SecretStr("secret"),
        "batch_processes": 0,
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    return Settings(**known | changes)


@asynccontextmanager
async def listening(settings: Settings, registry: Any) -> AsyncIterator[str]:
    """A worker as its process runs it; yields its address, ``http://127.0.0.1:…``."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = front(compose(settings, registry, trial=try_here), listener)
    running = asyncio.create_task(server.serve([]))
    while not server.started and not running.done():  # noqa: ASYNC110  uvicorn sets a flag, no event
        await asyncio.sleep(0.01)
    try:
        yield address
    finally:
        server.should_exit = True
        await running


_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Each client would read the system's, which takes longer than the test, to speak plain HTTP."""


def asking(address: str) -> httpx.AsyncClient:
    """A client whose bodies are JSON unless they say otherwise; as patient as a busy machine needs."""
    return httpx.AsyncClient(
        base_url=address, headers={"Content-Type": "application/json"}, timeout=60, verify=_NO_AUTHORITIES
    )
