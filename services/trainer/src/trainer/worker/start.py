"""``python -m trainer worker``: imports everything once, then runs the worker and the flow runs in copies of itself.

this process, which has imported everything ──fork──▶ prefect worker start
       ▲          │                                         │ starts, signals, waits for
       │          └──fork──▶ a flow run               launcher.py
       └──────────── asks for a process ────────────────────┘
"""

import contextlib
import gc
import importlib
import logging
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import NoReturn

import numpy as np
from prefect.client.orchestration import get_client

from trainer.deployment.deployments import DEPLOYMENTS, WORK_POOL
from trainer.deployment.readiness import wait_for_prefect, wait_for_work_pool
from trainer.worker.fork_server import ForkServer, Request
from trainer.worker.launcher import ADDRESS, end_as

log = logging.getLogger("trainer.worker")

ENGINE = "prefect.engine"

ENDING = (signal.SIGTERM, signal.SIGINT)

ALSO_NEEDED = (
    "prefect.workers.process",
    "prefect.cli.worker",
    "prefect._internal.metrics",
    "prefect.flow_engine",
    "trainer.flows.tables.ingest",
    "trainer.flows.tables.outcomes",
    "trainer.flows.tables.promote",
    "trainer.flows.tables.respond",
    "trainer.flows.tables.train",
    "trainer.modelling.plots",
    "trainer.monitoring.page",
)
"""What Prefect and the flows import only once a worker or a flow run is under way."""


def run_worker() -> None:
    """Runs the worker until it is told to end; a worker that is told so waits for its flow runs."""
    _import_all([*ALSO_NEEDED, *(deployment.module for deployment in DEPLOYMENTS)])
    server = ForkServer()
    # a signal that arrives before there is a handler would end this process and leave the worker behind
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    worker = os.fork()
    if not worker:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        server.close()
        os.environ[ADDRESS] = server.address
        _run_prefect_worker()

    def end(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, number)

    for number in ENDING:
        signal.signal(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    found = server.serve(worker)
    if isinstance(found, Request):
        _run_engine(found)
    end_as(found)


def _import_all(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if others:
        log.warning("a fork would leave these threads behind: %s", ", ".join(others))
    # else the first collection in each copy would write to, and so copy, all that they share
    gc.collect()
    gc.freeze()


def _run_prefect_worker() -> NoReturn:
    from prefect.cli import app

    wait_for_prefect()
    with get_client(sync_client=True) as prefect:
        # made by the job deploy; the worker would make another, which runs commands of people's choice
        wait_for_work_pool(WORK_POOL, prefect)
    arguments = ["worker", "start", "--pool", WORK_POOL, "--type", "process", "--with-healthcheck"]
    sys.argv = ["prefect", *arguments, "--install-policy", "never"]
    app()
    sys.exit()


def _run_engine(request: Request) -> NoReturn:
    """As ``python -m prefect.engine`` would, in a process that has imported it."""
    from prefect.context import refresh_global_settings_context

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request.take_over()
    refresh_global_settings_context()
    # all copies would draw the same numbers; Python's own generator sees to itself
    np.random.seed()
    sys.argv = [ENGINE]
    runpy.run_path(str(sys.modules[ENGINE].__file__), run_name="__main__")
    sys.exit()
