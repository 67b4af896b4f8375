"""A service that may open few files, and one whose run folder is cleaned away."""

import os
import resource
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

MODEL = "cable-car-demand"


def test_idle_connections_that_take_all_files_keep_nobody_out_for_longer_than_they_stay(
    start_serving: Callable[..., Any], tracking: Any, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL)
    worker = next(child for child in psutil.Process(replica.pid).children() if child.nice() == 0)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (100, 100))
    with ExitStack() as idle:
        for _ in range(120):
            idle.enter_context(socket.create_connection(replica.address, timeout=10))
        # turned away at once, not left to wait
        with socket.create_connection(replica.address, timeout=10) as late:
            late.sendall(b"GET /health/live HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            try:
                said = late.recv(1000)
            except ConnectionResetError:
                said = b""
            assert said == b"" or said.startswith(b"HTTP/1.1 503 ")
        busy = worker.cpu_times()
        spent = worker.cpu_percent(interval=1)
        assert spent < 50, (busy, spent)
    # and whatever failed meanwhile goes on
    wait_until(lambda: replica.predict().status_code == 200, 20, "it answers")
    second = tracking.publish(MODEL, replica_bundle(tracking, MODEL))
    tracking.crown(MODEL, second)
    wait_until(lambda: replica.holds(second), 30, "the alias is followed")


def replica_bundle(tracking: Any, model: str) -> Path:
    """The folder of the first version's files."""
    found: Path = tracking.stored(model, "1", "contract.json")
    return found.parent


def test_a_hang_up_ends_nobody(start_serving: Callable[..., Any], wait_until: Callable[..., Any]) -> None:
    replica = start_serving(MODEL, workers=2)
    before = {process.pid for process in replica.processes()}
    for process in replica.processes():
        process.send_signal(signal.SIGHUP)
    assert replica.predict().status_code == 200
    assert {process.pid for process in replica.processes()} == before


def test_a_run_folder_that_is_cleaned_away_ends_the_service_with_a_word(
    start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL)
    worker = psutil.Process(replica.pid).children()[0]
    folder = Path(worker.environ().get("SERVING_RUN_DIR", "")) if "SERVING_RUN_DIR" in worker.environ() else None
    sockets = [one.laddr for one in worker.net_connections("unix") if one.laddr and str(one.laddr).endswith(".sock")]
    run_dir = folder or Path(str(sockets[0])).parent
    shutil.rmtree(run_dir)
    wait_until(lambda: not psutil.pid_exists(replica.pid) or replica.refuses(), 30, "the service ends")
    assert "is gone: the service ends, to begin anew" in replica.output()
    assert os.path.exists  # noqa: B018
