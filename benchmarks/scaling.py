"""Requests a second of our service with one worker and with two, on two cores that the load shares with it."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.exchange import body_file, wait_for_first_answer
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
            found.append(_rate(ours(subject, place, workers), place, cores, seconds))
    return Scaling(median(rates[1]), median(rates[2]))


def _rate(server: Server, folder: Path, cores: Cores, seconds: float) -> float:
    port = free_port()
    begin = time.perf_counter()
    with running(server.command(port), server.environment(port), cores.both, folder / "server.log") as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        url, body = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
        time.sleep(WARM_UP_SECONDS)  # the second worker may still be starting
        load.run(url, body, WARM_UP_SECONDS, cores.both)
        return load.run(url, body, seconds, cores.both).rate
