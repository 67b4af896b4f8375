"""One-row requests from wrk."""

import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16
GRACE_SECONDS = 30


class NoLoadGenerator(Exception):
    """wrk isn't installed."""


class Failed(Exception):
    """A server gave errors under load, or a wrong answer."""


ERRORS = (NoLoadGenerator, Failed)


@dataclass(frozen=True, slots=True)
class Load:
    """One run of wrk."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    generator_share: float
    """Of its core, that wrk itself used: near 1, the figures are of wrk and not of the server."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def find() -> str:
    """wrk's path. Raises NoLoadGenerator."""
    if path := shutil.which("wrk"):
        return path
    raise NoLoadGenerator("the benchmark needs the load generator wrk: apt-get install wrk")


def run(url: str, bodies: Path, seconds: float, cores: set[int], connections: int = CONNECTIONS) -> Load:
    """Sends the file's lines in turn, on so many connections. Raises Failed unless every answer is a good one."""
    pinned = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))]
    command = [find(), "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    before = _children_seconds()
    finished = subprocess.run(
        [*pinned, *command, "--timeout", "10s", "--latency", "--script", str(SCRIPT), url],
        env={**os.environ, "BENCH_BODIES": str(bodies)},
        capture_output=True,
        text=True,
        timeout=seconds + GRACE_SECONDS,
        check=False,
    )
    used = _children_seconds() - before
    found = [line for line in finished.stdout.splitlines() if line.startswith("FIGURES ")]
    if finished.returncode or not found:
        raise Failed(f"wrk: {finished.stdout}{finished.stderr}")
    figures = json.loads(found[0].removeprefix("FIGURES "))
    if figures["statuses"] or figures["sockets"] or not figures["requests"]:
        raise Failed(f"answers that aren't 2xx: {figures['statuses']}, socket errors: {figures['sockets']}")
    took = figures["microseconds"] / 1e6
    return Load(figures["requests"], took, figures["p50_us"] / 1e3, figures["p99_us"] / 1e3, used / took)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
