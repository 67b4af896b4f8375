"""The machine that the figures are of."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("xgboost-cpu", "numpy", "pyarrow", "pydantic", "fastapi", "uvicorn", "uvloop", "httptools", "orjson")


class TooFewCores(Exception):
    """There is no second core for the load."""


ERRORS = (TooFewCores,)


@dataclass(frozen=True, slots=True)
class Cores:
    """One for the servers, another for what loads them."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        """The first and the last of those that this process may use. Raises TooFewCores."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise TooFewCores("the benchmark needs two cores: one for the server, one for the load")
        return cls(allowed[0], allowed[-1])

    @property
    def both(self) -> set[int]:
        return {self.server, self.load}


def describe() -> dict[str, str]:
    """What a reader needs to know of the machine, by name."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "load average at the start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
