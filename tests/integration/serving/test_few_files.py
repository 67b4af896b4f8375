"""A service that may open few files, and one whose run folder is cleaned away."""

import resource
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

MODEL, OTHER = "chair-lift-demand", "ski-lift-demand"


def test_idle_connections_that_take_all_files_keep_nobody_out_for_longer_than_they_stay(
    start_serving: Callable[..., Any], tracking: Any, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(OTHER)
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
        # of one processor, in a second in which nobody asks
        assert worker.cpu_percent(interval=1) < 50
    # and whatever failed meanwhile goes on
    wait_until(lambda: replica.predict().status_code == 200, 20, "it answers")
    second = tracking.publish(OTHER, tracking.stored(OTHER, "1", "contract.json").parent)
    tracking.crown(OTHER, second)
    wait_until(lambda: replica.holds(second), 30, "the alias is followed")


def test_a_hang_up_ends_nobody(start_serving: Callable[..., Any]) -> None:
    replica = start_serving(MODEL, workers=2)
    before = {process.pid for process in replica.processes()}
    for process in replica.processes():
        process.send_signal(signal.SIGHUP)
    assert replica.predict().status_code == 200
    assert {process.pid for process in replica.processes()} == before


def test_a_run_folder_that_is_cleaned_away_ends_the_service_with_a_word(start_serving: Callable[..., Any]) -> None:
    replica = start_serving(MODEL)
    (own,) = (replica.store / MODEL / "run").iterdir()
    shutil.rmtree(own)
    assert replica.wait(30) == 0
    assert f"the run folder {own} is gone: the service ends, to begin anew" in replica.output()
