"""Waiting for Prefect's server, which may start at the same time: what waits has its imports behind it by then."""

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

PATIENCE_SECONDS = 180
INTERVAL_SECONDS = 0.2

_while_it_starts = retry(
    retry=retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)),
    wait=wait_fixed(INTERVAL_SECONDS),
    stop=stop_after_delay(PATIENCE_SECONDS),
    reraise=True,
)


@_while_it_starts
def wait_for_prefect() -> None:
    """Returns once the server answers and reaches its database.

    Raises:
        httpx.HTTPError: it doesn't within three minutes.
    """
    httpx.get(f"{PREFECT_API_URL.value()}/ready", timeout=5).raise_for_status()


@retry(retry=retry_if_exception_type(ObjectNotFound), wait=wait_fixed(INTERVAL_SECONDS))
def wait_for_work_pool(name: str, prefect: SyncPrefectClient) -> None:
    """Returns once somebody has made the pool, however long that takes."""
    prefect.read_work_pool(name)
