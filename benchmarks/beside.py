"""What else a server is asked, by a process of its own, while one-row requests are measured.

``python -m benchmarks.beside <port> batches <path> <body>`` sends batches without a pause, ``… scrapes <seconds>`` asks
for the metrics with such pauses, ``… swaps <registry> <seconds>`` rolls versions out in turn; all until SIGTERM.
"""

import contextlib
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import requests
from trainer.registry.champion import CHAMPION
from trainer.usecases.trips.fields import MODEL_NAME

from benchmarks.exchange import JSON, Client, Exchange, Headers, from_json
from benchmarks.load import Failed
from benchmarks.model import as_json
from benchmarks.processes import GIVING_WAY
from benchmarks.servers import TOKEN

READY = "asking"
OPERATOR = {"Content-Type": JSON, "Authorization": f"Bearer {TOKEN}"}


@contextlib.contextmanager
def beside(port: int, core: int, *asked: str) -> Iterator[None]:
    """Lasts as long as the context. Raises Failed if something that was asked had no good answer."""
    pinned = ["taskset", "--cpu-list", str(core), *GIVING_WAY, sys.executable, "-m", "benchmarks.beside"]
    command = [*pinned, str(port), *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != READY:
                raise Failed(f"{asked[0]}: {process.communicate()[1]}")
            yield
            if process.poll() is not None:
                raise Failed(f"{asked[0]} broke: {process.communicate()[1]}")
        finally:
            process.terminate()


def main(port: int, kind: str, *arguments: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    kinds: dict[str, Callable[..., Callable[[], object]]] = {
        "batches": _batches,
        "scrapes": _scrapes,
        "swaps": _swaps,
    }
    ask = kinds[kind](Client(port), *arguments)
    ask()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while True:
        ask()


def _batches(client: Client, path: str, body: str) -> Callable[[], object]:
    return partial(
        client.send, Exchange(path, Path(body).read_bytes(), from_json("predictions"), np.empty(0, np.float32))
    )


def _scrapes(client: Client, seconds: str) -> Callable[[], object]:
    def scrape() -> None:
        if b"serving_requests_total" not in client.get("/metrics"):
            raise Failed("the metrics have no counts")
        time.sleep(float(seconds))

    return scrape


def _swaps(client: Client, registry: str, seconds: str) -> Callable[[], object]:
    versions = itertools.cycle(("2", "3", "1"))  # never the one before, which is still loaded
    alias = f"{registry}/api/2.0/mlflow/registered-models/alias"

    def roll_out() -> None:
        version = next(versions)
        for path in ("/rollout/stage", "/rollout/swap"):
            client.send(Exchange(path, as_json({"version": version}), _unread, np.empty(0, np.float32), OPERATOR))
        named = {"name": MODEL_NAME, "alias": CHAMPION, "version": version}
        requests.post(alias, json=named, timeout=30).raise_for_status()
        client.send(Exchange("/reload", b"{}", _unread, np.empty(0, np.float32), OPERATOR))
        time.sleep(float(seconds))

    return roll_out


def _unread(_: bytes, __: Headers) -> list[float]:
    return []


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
