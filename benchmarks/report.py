"""The figures as people read them, and as programs do."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Figures, Results

ENCODINGS = {
    "ours.json": "Roundhouse, `/predict/batch`, JSON objects of raw fields",
    "ours.arrow": "Roundhouse, `/predict/batch`, Arrow stream of raw fields in and out",
    "ours.v2_json": "Roundhouse, V2, JSON tensors of raw fields",
    "ours.v2_binary": "Roundhouse, V2, binary tensors of raw fields",
    "mlserver.v2_json": "MLServer, V2, JSON tensor of ready-made features",
    "mlflow_models_serve.json": "`mlflow models serve`, `dataframe_split` of ready-made features",
    "inplace": "no server: `inplace_predict` of ready-made features, one thread",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that has a limit."""

    title: str
    group: str
    name: str
    limit: str
    """As it is written."""
    met: Callable[[float, Figures], bool | None]
    """None where what it is judged by wasn't measured."""


def _at_least(limit: float) -> Callable[[float, Figures], bool]:
    return lambda value, _: value >= limit


def _at_most(limit: float) -> Callable[[float, Figures], bool]:
    return lambda value, _: value <= limit


def _below(limit: float) -> Callable[[float, Figures], bool]:
    return lambda value, _: value < limit


def _starts_in_time(seconds: float, figures: Figures) -> bool | None:
    empty = figures["start"]["empty_fastapi_s"]
    return None if empty is None else bool(seconds <= 1.5 * empty + 1)


TARGETS = (
    Target("requests/s: ours / `mlflow models serve`", "ratios", "mlflow_models_serve", ">= 60", _at_least(60)),
    Target("requests/s: ours / MLServer", "ratios", "mlserver", ">= 12", _at_least(12)),
    Target("requests/s: ours / empty FastAPI endpoint", "ratios", "empty_fastapi", ">= 2", _at_least(2)),
    Target("requests/s: ours / bare ASGI function", "ratios", "bare_asgi", ">= 0.5", _at_least(0.5)),
    Target("p99: ours / MLServer", "ratios", "p99_vs_mlserver", "< 0.25", _below(0.25)),
    Target("batch, rows/s: our JSON / MLServer's", "batch", "json_vs_mlserver", ">= 1.2", _at_least(1.2)),
    Target("batch, rows/s: our binary V2 / MLServer's V2", "batch", "v2_vs_mlserver", ">= 1.3", _at_least(1.3)),
    Target("batch, rows/s: our Arrow / `inplace_predict`", "batch", "arrow_vs_inplace", ">= 0.8", _at_least(0.8)),
    Target("one row beside batches: p99 / p99 alone", "isolation", "p99_ratio", "< 3", _below(3)),
    Target("one row during rollouts: p99 / p99 without", "swaps", "p99_ratio", "< 3", _below(3)),
    Target("requests/s: with the prediction log / without", "recording", "on", ">= 0.95", _at_least(0.95)),
    Target("requests/s: with a challenger on 10% too / without", "recording", "shadow", ">= 0.9", _at_least(0.9)),
    Target("requests/s: two workers / one", "scaling", "two_workers", ">= 1.7", _at_least(1.7)),
    Target("MB of our worker beyond the model", "memory", "beyond_model_mb", "<= 150", _at_most(150)),
    Target("start of ours, s", "start", "ours_s", "<= 1.5 × empty FastAPI + 1", _starts_in_time),
)


def write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(markdown(results))
    (folder / "results.json").write_text(json.dumps(results.figures(), indent=1) + "\n")


def markdown(results: Results) -> str:
    figures = results.figures()
    sections = [
        "# Benchmark results",
        "Written by `make bench`; what it measures, and what is unfair in whose favour, stands in"
        f" [README.md](README.md). Medians of {results.rounds} rounds of {results.seconds:g} s.",
        table(["", ""], [[name, text] for name, text in results.machine.items()]),
        "## Beside the targets",
        table(["", "target", "measured", ""], [_judged(target, figures) for target in TARGETS]),
        "## One row a request, 16 connections, one core",
        _one_row(results),
        "The shares are of a core: the server's of one, wrk's of the other. A server that is loaded to its limit has"
        " nearly 1 of its own; less means that other programs ran there. With wrk near 1, a figure would be wrk's.",
        "## 10,000 rows a request, one connection, one core",
        _batches(figures),
        *_rest(figures),
    ]
    return "\n\n".join(sections) + "\n"


def _judged(target: Target, figures: Figures) -> list[str]:
    value = figures[target.group][target.name]
    if value is None:
        return [target.title, target.limit, "not available", ""]
    verdict = {True: "met", False: "**not met**", None: ""}[target.met(value, figures)]
    return [target.title, target.limit, _number(value), verdict]


def _one_row(results: Results) -> str:
    head = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs a request", "resident MB", "start s", "share", "wrk's share"]
    rows = [
        [
            results.titles[name],
            f"{sample.rate:,.0f}",
            f"{sample.p50_ms:.2f}",
            f"{sample.p99_ms:.2f}",
            f"{sample.cpu_us:,.0f}",
            f"{sample.resident_mb:.0f}",
            f"{sample.start_s:.2f}",
            f"{sample.server_share:.2f}",
            f"{sample.generator_share:.2f}",
        ]
        for name, sample in results.one_row().items()
    ]
    return table(head, rows)


def _batches(figures: Figures) -> str:
    rates = figures["batch"]["rows_per_second"]
    rows = [
        [title, "not available" if rates[name] is None else f"{rates[name]:,.0f}"]
        for name, title in ENCODINGS.items()
        if name in rates
    ]
    return table(["", "rows/s"], rows)


def _rest(figures: Figures) -> list[str]:
    sections = []
    if "alone" in (isolation := figures["isolation"]):
        titles = {
            "alone": "alone",
            "beside_batches": "beside a stream of batches",
            "beside_scrapes": "beside a scrape of the metrics every 20 ms",
        }
        turns = [(title, isolation[name]) for name, title in titles.items()]
        rows = [[name, f"{t['p50_ms']:.2f}", f"{t['p99_ms']:.2f}", f"{t['samples']:,}"] for name, t in turns]
        sections += ["## One-row requests beside what else is asked", table(["", "p50 ms", "p99 ms", "samples"], rows)]
    if "alone_rate" in (swaps := figures["swaps"]):
        titles = {"alone": "alone", "swaps": "while three versions are rolled out in turn"}
        rows = [
            [title, f"{swaps[f'{key}_rate']:,.0f}", f"{swaps[f'{key}_p99_ms']:.2f}"] for key, title in titles.items()
        ]
        sections += ["## One row a request, 16 connections, during rollouts", table(["", "requests/s", "p99 ms"], rows)]
    if "off_rate" in (recording := figures["recording"]):
        titles = {"off": "without a log", "on": "with the prediction log", "shadow": "and a challenger on 10%"}
        rows = [
            [title, f"{recording[f'{key}_rate']:,.0f}", f"{recording[f'{key}_p99_ms']:.2f}"]
            for key, title in titles.items()
        ]
        sections += [
            "## One row a request, 64 connections, and the prediction log",
            table(["", "requests/s", "p99 ms"], rows),
            f"Not recorded: {recording['not_recorded']:,} answers. The challenger scored {recording['scored']:,} rows;"
            f" {recording['shed']:,} were left out, since the log came first.",
        ]
    if "one" in (scaling := figures["scaling"]):
        rows = [["1", f"{scaling['one']:,.0f}"], ["2", f"{scaling['two']:,.0f}"]]
        sections += ["## Workers, on two cores shared with the load", table(["workers", "requests/s"], rows)]
    if "after_load_mb" in (memory := figures["memory"]):
        sections += ["## Memory of our processes", _memory(memory)]
    return sections


def _memory(memory: Figures) -> str:
    rows = [
        [role, f"{megabytes:.0f}", f"{memory['after_batches_mb'].get(role, 0):.0f}"]
        for role, megabytes in memory["after_load_mb"].items()
    ]
    if memory["model_mb"] is not None:
        rows.append(["of which a loaded model", f"{memory['model_mb']:.1f}", ""])
    return table(["", "resident MB after one-row requests", "after batches"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown; all but the first column are numbers."""
    numbers = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, numbers, *rows))


def _number(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
