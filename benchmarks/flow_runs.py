"""``python -m benchmarks.flow_runs``: how long a flow run takes to begin, forked from a warm process or started cold.

Two workers of one stack take turns with the flow ``reconcile``, which has nearly nothing to do: the stack's own, and
Prefect's process worker as it comes, which starts interpreters for each run. Prints medians and their ratio.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from console.runs import ENDED, Runs
from console.web import call
from embedded.processes import Process, spawn
from embedded.root import ROOT
from embedded.stack import Stack

WARM, COLD = "reconcile/trip-duration", "reconcile/cold"
POOL = "cold"
DEPLOY_COLD = f"""\
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.flows import Flow
import trainer, pathlib
with get_client(sync_client=True) as prefect:
    prefect.create_work_pool(WorkPoolCreate(name={POOL!r}, type="process"))
source = pathlib.Path(trainer.__file__).parent.parent
flow = Flow.from_source(source=source, entrypoint="trainer/flows/reconcile.py:reconcile")
flow.deploy("cold", work_pool_name={POOL!r}, print_next_steps=False, ignore_warnings=True)
"""
FIGURES = ("scheduled → running, s", "scheduled → ended, s", "processor time of the worker, s")
SETTLE_SECONDS = 1.5
"""After a run's end, for what is written in the background."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow_runs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="runs of each kind, in turn (default 10)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        stack = Stack(Path(folder) / "stack", any_ports=True, variables={"TRAINER_FIRST_TRAINING": "false"})
        stack.start()
        try:
            measured = _measure(stack, rounds)
        finally:
            stack.remove()
    sys.stdout.write(_table(measured))
    return 0


def _measure(stack: Stack, rounds: int) -> dict[str, list[Sequence[float]]]:
    api = f"{stack.url('prefect-server')}/api"
    _pause_schedule(api)
    runs = Runs(api)
    workers = {WARM: stack.state.records["prefect-worker"].process, COLD: _cold_worker(stack)}
    measured: dict[str, list[Sequence[float]]] = {WARM: [], COLD: []}
    try:
        for name in workers:
            _run(runs, name, workers[name])  # what is slow but once
        for _ in range(rounds):
            for name in workers:
                measured[name].append(_run(runs, name, workers[name]))
    finally:
        workers[COLD].stop(grace=15)
    return measured


def _pause_schedule(api: str) -> None:
    """The schedule's own runs would come in between."""
    found = call(f"{api}/deployments/name/{WARM}")
    call(f"{api}/deployments/{found['id']}/pause_deployment", {})


def _cold_worker(stack: Stack) -> Process:
    environment = dict(stack.environment("prefect-worker")) | {"PREFECT_WORKER_WEBSERVER_PORT": "0"}
    logs = stack.folder / "logs"
    deploying = spawn([sys.executable, "-c", DEPLOY_COLD], env=environment, log=logs / "deploy-cold.log", cwd=ROOT)
    assert deploying.child is not None
    if deploying.child.wait():
        raise RuntimeError((logs / "deploy-cold.log").read_text())
    prefect = Path(sys.executable).with_name("prefect")
    command = [str(prefect), "worker", "start", "--pool", POOL, "--type", "process", "--install-policy", "never"]
    return spawn(command, env=environment, log=logs / "worker-cold.log", cwd=ROOT)


def _run(runs: Runs, deployment: str, worker: Process) -> Sequence[float]:
    """``FIGURES`` of one run."""
    before = _processor_seconds(worker)
    run = runs.start(deployment, {})
    while (found := runs.read(run))["state"]["type"] not in ENDED:
        time.sleep(0.05)
    if found["state"]["type"] != "COMPLETED":
        raise RuntimeError(found["state"]["message"])
    time.sleep(SETTLE_SECONDS)
    scheduled, began, ended = (_seconds(found, name) for name in ("created", "start_time", "end_time"))
    return began - scheduled, ended - scheduled, _processor_seconds(worker) - before


def _seconds(run: dict[str, Any], name: str) -> float:
    return datetime.fromisoformat(run[name]).timestamp()


def _processor_seconds(worker: Process) -> float:
    """Of the worker and all that it started, what has ended included."""
    first = psutil.Process(worker.pid)
    return float(sum(sum(process.cpu_times()[:4]) for process in (first, *first.children(recursive=True))))


def _table(measured: dict[str, list[Sequence[float]]]) -> str:
    lines = ["| median of each | warm | cold | warm / cold |", "| --- | --- | --- | --- |"]
    for at, name in enumerate(FIGURES):
        warm, cold = (statistics.median(run[at] for run in measured[kind]) for kind in (WARM, COLD))
        lines.append(f"| {name} | {warm:.2f} | {cold:.2f} | {warm / cold:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
