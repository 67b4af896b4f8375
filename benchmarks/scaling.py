"""Requests a second of our service with one worker on one core and with two on two, each shared with the load.

So each worker has the same share of a core, and what the load takes is the same in both: with the load on a core of its
own for one worker and on the workers' cores for two, the ratio would say more of the load than of the workers.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.exchange import body_file, wait_for_first_answer, wait_for_workers
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import free_port, running
from benchmarks.servers import Server, ours

WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Scaling:
    """Medians of the rounds, in requests a second."""

    one: float
    two: float


def measure(subject: Subject, folder: Path, cores: Cores, rounds: int, seconds: float) -> Scaling:
    """Raises Ended, Failed."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, found in rates.items():
            place = folder / f"{workers}-{len(found)}"
            place.mkdir()
            shared = {cores.server} if workers == 1 else cores.both
            found.append(_rate(ours(subject, place, workers), workers, place, shared, seconds))
    return Scaling(median(rates[1]), median(rates[2]))


def _rate(server: Server, workers: int, folder: Path, cores: set[int], seconds: float) -> float:
    port = free_port()
    begin = time.perf_counter()
    with running(server.command(port), server.environment(port), cores, folder / "server.log") as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        url, body = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
        wait_for_workers(program, port, workers)
        load.run(url, body, WARM_UP_SECONDS, cores)
        return load.run(url, body, seconds, cores).rate
