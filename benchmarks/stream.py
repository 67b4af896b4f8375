"""A client that sends batches without a pause until SIGTERM: ``python -m benchmarks.stream <port> <path> <body>``."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.exchange import Client, Exchange, from_json
from benchmarks.load import Failed

READY = "streaming"


@contextlib.contextmanager
def streaming(port: int, path: str, body: Path, core: int) -> Iterator[None]:
    """Batches flow as long as the context lasts. Raises Failed if one of them had no good answer."""
    command = [
        "taskset",
        "--cpu-list",
        str(core),
        sys.executable,
        "-m",
        "benchmarks.stream",
        str(port),
        path,
        str(body),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != READY:
                raise Failed(f"the stream of batches: {process.communicate()[1]}")
            yield
            if process.poll() is not None:
                raise Failed(f"the stream of batches broke: {process.communicate()[1]}")
        finally:
            process.terminate()


def main(port: int, path: str, body: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client = Client(port)
    exchange = Exchange(path, body.read_bytes(), from_json("predictions"), np.empty(0, np.float32))
    client.send(exchange)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while True:
        client.send(exchange)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
