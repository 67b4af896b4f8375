"""``python -m serving``: the composition root, the only place that reads settings and builds the objects."""

import logging
import os
import shutil
import sys
import tempfile
from logging.config import dictConfig
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from serving import logs
from serving.files import lock
from serving.settings import Settings
from serving.supervisor import Supervisor

log = logging.getLogger("serving")

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that they close it and never write to a closed one."""


def main() -> int:
    """Serves until SIGTERM or SIGINT. Ends with a message if the store is another service's or the port is taken."""
    settings = Settings()
    dictConfig(logs.config(settings.log_level))
    store = settings.store / settings.model_name
    store.mkdir(parents=True, exist_ok=True)
    with lock(store / "in-use.lock") as free:
        if not free:
            log.error("the store %s is another service's", store)
            return 1
        # always a new one: what a killed service left must not be counted or believed
        run_dir = Path(tempfile.mkdtemp(prefix="serving-", dir=settings.run_dir))
        try:
            return _serve(settings, run_dir)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)


def _serve(settings: Settings, run_dir: Path) -> int:
    # the workers are processes of their own: they learn by their environment where to meet
    counters = run_dir / "metrics"
    counters.mkdir()
    os.environ["SERVING_RUN_DIR"] = str(run_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counters)
    config = uvicorn.Config(
        "serving.__main__:worker",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=logs.config(settings.log_level),
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    return Supervisor(config, config.bind_socket()).run()


def worker() -> ASGIApp:
    """One worker's application, in the worker's process."""
    # not above: the supervisor needs none of it, and prometheus_client looks at its environment when it is imported
    from serving.composition import compose

    return compose(Settings(), parent=os.getppid())


if __name__ == "__main__":
    sys.exit(main())
