"""What all rounds saw, and the ratios that follow."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks import batch
from benchmarks.inplace import InProcess
from benchmarks.isolation import Isolation
from benchmarks.one_row import Sample, Visit
from benchmarks.processes import Resident
from benchmarks.recording import Recording
from benchmarks.scaling import Scaling
from benchmarks.servers import Server
from benchmarks.swaps import Swaps

Figures = dict[str, Any]
"""Of results.json: numbers, None for what wasn't measured, and the same again by name."""


@dataclass
class Results:
    """Filled while the rounds run."""

    machine: dict[str, str]
    rounds: int
    seconds: float
    titles: dict[str, str] = field(default_factory=dict)
    visits: dict[str, list[Visit]] = field(default_factory=lambda: defaultdict(list))
    inplace: list[InProcess] = field(default_factory=list)
    isolation: Isolation | None = None
    recording: Recording | None = None
    scaling: Scaling | None = None
    swaps: Swaps | None = None

    def add(self, server: Server, visit: Visit) -> None:
        self.titles[server.name] = server.title
        self.visits[server.name].append(visit)

    def one_row(self) -> dict[str, Sample]:
        """Medians by server."""
        return {name: Sample.median([visit.sample for visit in visits]) for name, visits in self.visits.items()}

    def batch_rates(self) -> dict[str, float | None]:
        """Median rows a second by server and encoding; None where the server doesn't offer it."""
        rates = {
            f"{name}.{encoding}": batch.of_rounds([visit.batches[encoding] for visit in visits])
            for name, visits in self.visits.items()
            for encoding in visits[0].batches
        }
        if self.inplace:
            rates["inplace"] = median(run.rate for run in self.inplace)
        return rates

    def figures(self) -> Figures:
        """Everything, as results.json has it."""
        one_row, rates = self.one_row(), self.batch_rates()
        rps: Figures = {name: sample.rate for name, sample in one_row.items()}
        p99: Figures = {name: sample.p99_ms for name, sample in one_row.items()}
        start: Figures = {name: sample.start_s for name, sample in one_row.items()}
        peers = ("mlflow_models_serve", "mlserver", "empty_fastapi", "bare_asgi", "fastapi_inplace")
        return {
            "machine": self.machine,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "servers": {
                name: {**asdict(sample), "rounds": [asdict(visit.sample) for visit in self.visits[name]]}
                for name, sample in one_row.items()
            },
            "ratios": {
                **{name: _ratio(rps.get("ours"), rps.get(name)) for name in peers},
                "p99_vs_mlserver": _ratio(p99.get("ours"), p99.get("mlserver")),
            },
            "batch": {
                "rows_per_second": rates,
                "json_vs_mlserver": _ratio(rates.get("ours.json"), rates.get("mlserver.v2_json")),
                "v2_vs_mlserver": _ratio(rates.get("ours.v2_binary"), rates.get("mlserver.v2_json")),
                "v2_json_vs_mlserver": _ratio(rates.get("ours.v2_json"), rates.get("mlserver.v2_json")),
                "arrow_vs_inplace": _ratio(rates.get("ours.arrow"), rates.get("inplace")),
            },
            "isolation": self._isolation(),
            "recording": self._recording(),
            "scaling": self._scaling(),
            "swaps": self._swaps(),
            "memory": self._memory(),
            "start": {
                "ours_s": start.get("ours"),
                "empty_fastapi_s": start.get("empty_fastapi"),
                "vs_empty_fastapi": _ratio(start.get("ours"), start.get("empty_fastapi")),
            },
        }

    def _isolation(self) -> Figures:
        if self.isolation is None:
            return {"p50_ratio": None, "p99_ratio": None, "scrapes_p99_ratio": None}
        alone, batches, scrapes = self.isolation.alone, self.isolation.beside_batches, self.isolation.beside_scrapes
        return {
            **asdict(self.isolation),
            "p50_ratio": _ratio(batches.p50_ms, alone.p50_ms),
            "p99_ratio": _ratio(batches.p99_ms, alone.p99_ms),
            "scrapes_p99_ratio": _ratio(scrapes.p99_ms, alone.p99_ms),
        }

    def _recording(self) -> Figures:
        if self.recording is None:
            return {"on": None, "shadow": None}
        found = self.recording
        return {
            **asdict(found),
            "on": _ratio(found.on_rate, found.off_rate),
            "shadow": _ratio(found.shadow_rate, found.off_rate),
        }

    def _scaling(self) -> Figures:
        if self.scaling is None:
            return {"two_workers": None}
        return {**asdict(self.scaling), "two_workers": _ratio(self.scaling.two, self.scaling.one)}

    def _swaps(self) -> Figures:
        if self.swaps is None:
            return {"p99_ratio": None}
        return {**asdict(self.swaps), "p99_ratio": _ratio(self.swaps.swaps_p99_ms, self.swaps.alone_p99_ms)}

    def _memory(self) -> Figures:
        if "ours" not in self.visits:
            return {"beyond_model_mb": None}
        visits = self.visits["ours"]
        loaded = _by_role([visit.after_load for visit in visits], [visit.worker for visit in visits])
        batched = _by_role([visit.after_batches for visit in visits], [visit.worker for visit in visits])
        model_mb = median(run.model_mb for run in self.inplace) if self.inplace else None
        return {
            "after_load_mb": loaded,
            "after_batches_mb": batched,
            "model_mb": model_mb,
            "beyond_model_mb": None if model_mb is None else loaded["worker"] - model_mb,
        }


def _by_role(rounds: list[list[Resident]], workers: list[int | None]) -> dict[str, float]:
    """Median megabytes of the worker, the supervisor (the first process) and each other process."""
    found: dict[str, list[float]] = defaultdict(list)
    for processes, worker in zip(rounds, workers, strict=True):
        for position, process in enumerate(processes):
            found[_role(process, position, worker)].append(process.megabytes)
    return {role: median(megabytes) for role, megabytes in found.items()}


def _role(process: Resident, position: int, worker: int | None) -> str:
    if process.pid == worker:
        return "worker"
    if position == 0:
        return "supervisor"
    return "resource tracker" if "resource_tracker" in process.command else f"helper {position}"


def _ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value / base
