"""One-row requests: what each server takes for one, and how soon it is there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import batch, load
from benchmarks.exchange import Client, body_file, check_all, wait_for_first_answer
from benchmarks.machine import Cores
from benchmarks.processes import Program, Resident, free_port, running
from benchmarks.servers import Server

WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One server in one round."""

    rate: float
    """Requests a second."""
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of all its processes for a request."""
    resident_mb: float
    """Of all its processes, after the load."""
    start_s: float
    """From the start of the process to its first right answer."""
    server_share: float
    """Of its core that the server used: less than nearly 1 means that something else had the core, or no work came."""
    generator_share: float
    """Of its own core that the load generator used."""

    @classmethod
    def median(cls, samples: "list[Sample]") -> "Sample":
        return cls(*(median(getattr(sample, name) for sample in samples) for name in cls.__slots__))


@dataclass(frozen=True)
class Visit:
    """What a round saw of a server."""

    sample: Sample
    batches: Mapping[str, batch.Outcome]
    after_load: list[Resident]
    after_batches: list[Resident]
    worker: int | None
    """Process id of the one that answers, if the server tells."""


def visit(server: Server, folder: Path, cores: Cores, seconds: float) -> Visit:
    """Starts the server, measures it and stops it.

    Raises:
        Ended, Failed: it doesn't do what it should.
    """
    port = free_port()
    begin = time.perf_counter()
    with running(server.command(port), server.environment(port), {cores.server}, folder / "server.log") as program:
        start_s = wait_for_first_answer(program, port, server.ones[0], begin)
        check_all(port, server.ones)
        sample = _load(server, folder, cores, seconds, program, port, start_s)
        after_load = program.resident()
        client = Client(port)
        batches = {name: batch.measure(client, exchange, seconds) for name, exchange in server.batches.items()}
        worker = server.worker(client)
        client.close()
        return Visit(sample, batches, after_load, program.resident(), worker)


def _load(
    server: Server, folder: Path, cores: Cores, seconds: float, program: Program, port: int, start_s: float
) -> Sample:
    url, body = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
    load.run(url, body, WARM_UP_SECONDS, {cores.load})
    before = program.cpu_seconds()
    found = load.run(url, body, seconds, {cores.load})
    used = program.cpu_seconds() - before
    return Sample(
        rate=found.rate,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        cpu_us=used / found.requests * 1e6,
        resident_mb=sum(process.megabytes for process in program.resident()),
        start_s=start_s,
        server_share=used / found.seconds,
        generator_share=found.generator_share,
    )
