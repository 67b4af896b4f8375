"""What sustained one-row load feels of rollouts: alone, and while versions take turns, through MLflow."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.beside import beside
from benchmarks.exchange import body_file, wait_for_first_answer
from benchmarks.load import Load
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import free_port, running
from benchmarks.registry import following, registry
from benchmarks.servers import ours

PAUSE_SECONDS = 0.2
"""Between two rollouts."""
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Swaps:
    """Medians of the rounds."""

    alone_p99_ms: float
    swaps_p99_ms: float
    alone_rate: float
    swaps_rate: float
    """Requests a second."""

    @classmethod
    def of(cls, alone: list[Load], swaps: list[Load]) -> "Swaps":
        p99 = [median(run.p99_ms for run in runs) for runs in (alone, swaps)]
        return cls(*p99, *(median(run.rate for run in runs) for runs in (alone, swaps)))


def measure(subject: Subject, folder: Path, cores: Cores, rounds: int, seconds: float) -> Swaps:
    """Raises Ended, Failed."""
    port, alone, swapping = free_port(), list[Load](), list[Load]()
    with registry(subject, folder, cores) as address:
        server = following(ours(subject, folder), address, folder / "followed")
        begin = time.perf_counter()
        with running(server.command(port), server.environment(port), {cores.server}, folder / "swaps.log") as program:
            wait_for_first_answer(program, port, server.ones[0], begin)
            url, bodies = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
            load.run(url, bodies, WARM_UP_SECONDS, {cores.load})
            for _ in range(rounds):
                alone.append(load.run(url, bodies, seconds, {cores.load}))
                with beside(port, cores.load, "swaps", address, str(PAUSE_SECONDS)):
                    swapping.append(load.run(url, bodies, seconds, {cores.load}))
    return Swaps.of(alone, swapping)
