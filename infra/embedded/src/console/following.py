"""A flow run from start to end, step by step."""

import re
import time
from collections.abc import Callable

from console.runs import ENDED, Json, Runs
from console.terminal import Terminal
from console.web import WebError

INTERVAL = 0.5
SUFFIX = re.compile(r"-([0-9a-f]{3}|\d)$")
"""What Prefect adds to a task's own name where the task doesn't name its runs."""
PATIENCE = 60.0
"""Seconds for which Prefect may be away while a run is followed: it restarts, or the machine is busy."""


class RunFailed(Exception):
    """A followed run ended otherwise than completed; its log has been shown."""

    def __init__(self, run: str) -> None:
        super().__init__(f"the run {run} didn't complete; what it says is above")


def follow(runs: Runs, run: str, terminal: Terminal, check: Callable[[], None] = lambda: None) -> Json:
    """Shows each step of a run as it ends; the ended run.

    Args:
        check: raises if nobody is left who would go on with it.

    Raises:
        RunFailed: it didn't complete.
        WebError: Prefect stayed away.
    """
    shown: set[str] = set()
    answered = time.monotonic()
    while True:
        check()
        try:
            # the run first: what it says afterwards of its tasks is at least as new
            found, tasks = runs.read(run), runs.tasks(run)
            answered = time.monotonic()
        except WebError:
            if time.monotonic() - answered > PATIENCE:
                raise
            time.sleep(INTERVAL)
            continue
        _show(tasks, shown, terminal)
        if found["state_type"] in ENDED:
            return _ended(found, runs, terminal)
        terminal.waiting(_under_way(found, tasks))
        time.sleep(INTERVAL)


def _show(tasks: list[Json], shown: set[str], terminal: Terminal) -> None:
    for task in tasks:
        if task["id"] in shown or task["state_type"] not in ENDED:
            continue
        shown.add(task["id"])
        if task["state_type"] == "COMPLETED":
            detail = "cached" if task["state_name"] == "Cached" else ""
            terminal.ready(_name(task), task["total_run_time"], detail)
        else:
            terminal.failed(_name(task), _message(task))


def _under_way(run: Json, tasks: list[Json]) -> list[str]:
    running = [_name(task) for task in tasks if task["state_type"] == "RUNNING"]
    if run["state_name"] == "AwaitingConcurrencySlot":
        return [f"{run['name']} (until another run of its kind has ended; Prefect's UI has it)"]
    return running or [f"{run['name']} ({run['state_name'].lower()})"]


def _ended(run: Json, runs: Runs, terminal: Terminal) -> Json:
    if run["state_type"] == "COMPLETED":
        return run
    terminal.failed(f"run {run['name']}", f"{run['state_name']}: {_message(run)}")
    terminal.quote("last lines of the run's log", runs.log(run["id"]))
    raise RunFailed(run["name"])


def _name(task: Json) -> str:
    return SUFFIX.sub("", task["name"])


def _message(what: Json) -> str:
    return str((what.get("state") or {}).get("message") or what["state_name"])
