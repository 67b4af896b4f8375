"""What ``make up`` and ``make train`` wait for, and what ends the waiting."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from console import docker
from console.following import RunFailed
from console.terminal import Terminal
from console.up import NoModel, up
from console.web import Refused
from programs import until

RUN = "/api/flow_runs/training"
READY = "/health/ready"
RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"


@dataclass
class Stack:
    """Prefect and the model service, at one address: a training goes through its states, and then there is a model."""

    states: list[str]
    """Of the training, each time that somebody looks; the last one stays. Without any, there is no training."""
    loading: int = 2
    """Looks at the service before it has loaded the model."""
    predicts: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path))
        if path == RUN:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            told = {"state_type": state, "state_name": state, "state": {"message": "it is told"}}
            return 200, {"id": "training", "name": "otter", **told}
        if path == READY:
            return self._ready()
        known: dict[str, Any] = {
            "/api/health": True,
            "/api/deployments/name/train/trip-duration": {"id": "deployment"},
            "/api/deployments/deployment/create_flow_run": {"id": "training"},
            "/api/flow_runs/filter": [{"id": "training"}] if self.states and "deployments" in body else [],
            "/api/task_runs/filter": [],
            "/api/logs/filter": [{"message": "the month is empty"}],
            "/model": {
                "contract": {"fields": [{"name": "distance", "example": 1.5}]},
                "metrics": {"holdout_rmse": 5.5},
            },
        }
        if path == "/predict" and self.predicts:
            return 200, {"prediction": 12.25}
        return (200, known[path]) if path in known else (503, "the model can't be asked")

    def _ready(self) -> tuple[int, Any]:
        if self.states != [COMPLETED]:
            return 503, "no model has been loaded yet"
        self.loading -= 1
        return (200, "ready") if self.loading < 0 else (503, "no model has been loaded yet")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """One that runs, as compose and the console find it from the working folder."""
    told = Stack([RUNNING, RUNNING, COMPLETED])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = told.answer(self.command, self.path, json.loads(body or b"{}"))
            self.send_response(status)
            self.send_header("Roundhouse-Stack", "compose-roundhouse")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()
    for name in ("PREFECT_PORT", "MLFLOW_PORT", "SERVING_PORT"):
        monkeypatch.setenv(name, str(told.port))
    for module in ("console.up", "console.following"):
        monkeypatch.setattr(f"{module}.INTERVAL", 0.01)
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What compose was told; its containers run."""
    told: list[str] = []
    monkeypatch.setattr(docker, "check", lambda: None)
    monkeypatch.setattr(docker, "compose", lambda *arguments: told.append(arguments[0]))
    monkeypatch.setattr(docker, "containers", lambda: [docker.Container("serving", "running", "unhealthy", 0)])
    monkeypatch.setattr(docker, "log", lambda service: [f"the log of {service}"])
    return told


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


def test_up_ends_once_a_prediction_has_come_back(stack: Stack, composed: list[str], screen: io.StringIO) -> None:
    up(Terminal(screen))
    assert composed == ["up"]
    assert stack.asked.count(("GET", RUN)) == 3
    # asked of again and again, and only then for a prediction
    assert stack.asked.count(("GET", READY)) >= 4
    assert stack.asked[-3:] == [("GET", READY), ("GET", "/model"), ("POST", "/predict")]
    assert '{"prediction": 12.25}' in screen.getvalue()


def test_up_fails_where_none_comes_back_and_shows_who_is_in_trouble(
    stack: Stack, composed: list[str], screen: io.StringIO
) -> None:
    stack.predicts = False
    with pytest.raises(Refused, match="the model can't be asked"):
        up(Terminal(screen))
    assert "failed: serving: running unhealthy" in screen.getvalue()
    assert "the log of serving" in screen.getvalue()


def test_up_fails_with_the_training_that_it_waits_for(stack: Stack, composed: list[str], screen: io.StringIO) -> None:
    stack.states = [RUNNING, FAILED]
    with pytest.raises(RunFailed):
        up(Terminal(screen))
    assert "failed: run otter: FAILED: it is told" in screen.getvalue()
    assert "the month is empty" in screen.getvalue()


def test_up_fails_where_there_is_no_model_and_no_training_that_would_make_one(
    stack: Stack, composed: list[str], screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.states = []
    monkeypatch.setattr("console.up.PATIENCE", 0)
    with pytest.raises(NoModel, match="no model has been loaded yet"):
        up(Terminal(screen))


def test_ctrl_c_ends_the_watching_of_a_run_and_not_the_run(stack: Stack) -> None:
    stack.states = [RUNNING]
    # a terminal's job takes Ctrl-C, which a shell's in the background ignores
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('console', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", code, "train"]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True) as watching:
        until(lambda: stack.asked.count(("GET", RUN)) > 1, 30, "the run is watched")
        watching.send_signal(signal.SIGINT)
        said, _ = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "no longer watching; what was started goes on" in said
    # all that is told Prefect is to begin; the rest are questions
    told = [path for method, path in stack.asked if method == "POST" and not path.endswith("/filter")]
    assert told == ["/api/deployments/deployment/create_flow_run"]
    assert {method for method, _ in stack.asked} == {"GET", "POST"}
