"""Waiting for what was started, with a deadline."""

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from embedded.errors import NotReady, ProcessDied
from embedded.processes import Process

INTERVAL = 0.1
"""Seconds between two looks."""


def wait_until(name: str, ready: Callable[[], bool], *, process: Process, log: Path, seconds: float) -> None:
    """Waits until ``ready`` returns true; an exception that it raises counts as not yet.

    Raises:
        ProcessDied: the process ended first.
        NotReady: the time is over; the text has the last exception.
    """
    deadline = time.monotonic() + seconds
    last: object = "no answer"
    while time.monotonic() < deadline:
        if not process.alive():
            raise ProcessDied(name, log)
        try:
            if ready():
                return
        except Exception as error:  # noqa: BLE001  (whatever a service that isn't up yet makes its client raise)
            last = error
        time.sleep(INTERVAL)
    raise NotReady(name, seconds, log, last)


def answers(url: str) -> bool:
    """Whether an http:// address answers 200 now; asked directly, whatever proxy the environment names."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2) as answer:
            return bool(answer.status == http.client.OK)
    except (URLError, OSError, http.client.HTTPException):
        return False
