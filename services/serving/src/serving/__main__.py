"""``python -m serving``: the composition root, the only place that reads settings and builds the objects."""

import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from logging.config import dictConfig
from pathlib import Path

import linering
import uvicorn
from linering import Ring
from pydantic import ValidationError

from serving import logs
from serving.batch.address import BATCH_SOCKET, listen
from serving.files import lock, make_folder
from serving.recorder.collector import RING_BYTES, Collector
from serving.recorder.lines import ONE
from serving.recorder.spool import spool_of
from serving.settings import Settings
from serving.state import STATE, StateFile
from serving.supervisor import Kind, Supervisor

log = logging.getLogger("serving")

RUN = "serving-"
"""What names of run folders begin with."""


def main() -> int:
    """Serves until SIGTERM or SIGINT. Ends with a message if a setting is wrong, the store is another service's or the
    port is taken."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.writelines(f"{_variable(problem['loc'])}: {problem['msg']}\n" for problem in error.errors())
        return 2
    dictConfig(logs.config(settings.log_level))
    store = settings.store / settings.model_name
    make_folder(store)
    with lock(store / "in-use.lock") as free:
        if not free:
            log.error("the store %s is another service's", store)
            return 1
        # the rollout that it was part of has failed
        StateFile(store / STATE).end_lease()
        run_dir = _new_run_dir(settings.run_dir or store / "run", own=settings.run_dir is None)
        try:
            return _serve(settings, run_dir)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)


def _variable(location: tuple[int | str, ...]) -> str:
    """The environment variable of a setting."""
    name = str(location[0])
    return f"SERVING_{name.upper()}" if name.islower() else name


def _new_run_dir(folder: Path, *, own: bool) -> Path:
    """Always a new one: what a killed service left must not be counted or believed.

    Args:
        own: the folder is this service's alone.
    """
    for left in folder.glob(f"{RUN}*") if own else ():
        shutil.rmtree(left, ignore_errors=True)
    make_folder(folder)
    return Path(tempfile.mkdtemp(prefix=RUN, dir=folder))


def _serve(settings: Settings, run_dir: Path) -> int:
    # the processes learn by their environment where to meet
    counters = run_dir / "metrics"
    counters.mkdir()
    os.environ["SERVING_RUN_DIR"] = str(run_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counters)
    # NumPy starts threads when it is imported, and a process with threads must not be forked; nothing here needs them.
    # (Arrow's allocator has one too, and hooks that see it through a fork.)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # not above: prometheus_client too looks at its environment when it is imported
    from serving import trial, worker
    from serving.batch import process as batch
    from serving.recorder import process as recorder
    from serving.transport.server import most_connections

    # here too: said once, and raised for all processes
    if (allowed := most_connections(settings.max_connections)) < settings.max_connections:
        log.warning("a process may have few files open (ulimit -n): a worker takes %s connections at once", allowed)
    # of whoever started it from a terminal that is gone
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    front = uvicorn.Config("", host=settings.host, port=settings.port, log_config=None).bind_socket()
    desk, trials = listen(run_dir / BATCH_SOCKET), listen(run_dir / trial.TRIAL_SOCKET)
    is_recorded = bool(settings.warehouse_url.get_secret_value())
    rings = _rings(settings.workers) if is_recorded else []
    kinds = [
        Kind(
            "worker",
            settings.workers,
            lambda number: worker.work(front, rings[number] if rings else None),
            front,
            settings.shutdown_seconds,
        ),
        Kind("batch process", settings.batch_processes, lambda _: batch.work(desk), desk, None),
        Kind("trial process", 1, lambda _: trial.work(trials), trials, None),
        # the last: the workers' last lines are still sent on
        Kind("recorder", int(is_recorded), lambda _: recorder.work(rings), None, recorder.END_SECONDS),
    ]
    code = Supervisor(kinds).run()
    if rings:
        # the recorder may have been killed at the very end
        Collector(rings, spool_of(Settings())).finish()
    return code


def _rings(workers: int) -> list[Ring]:
    """One for each worker, or none at all; made here so that all processes share them."""
    rings = [linering.new(ONE, RING_BYTES) for _ in range(workers)]
    if None in rings:
        log.warning("linering was installed without a compiler: recording costs a worker much of its time")
    return [ring for ring in rings if ring is not None]


if __name__ == "__main__":
    sys.exit(main())
