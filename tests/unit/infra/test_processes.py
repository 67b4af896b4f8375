"""Programs that outlive whoever started them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from embedded import ports
from embedded.accounts import Account
from embedded.errors import NotReady, ProcessDied
from embedded.place import Place
from embedded.processes import Process, spawn
from embedded.readiness import wait_until
from embedded.state import Record, State

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); {SLEEPER}"


@contextmanager
def started(folder: Path, code: str, lines: int = 1) -> Iterator[Process]:
    """A Python program that has printed so many lines."""
    log = folder / "program.log"
    process = spawn([sys.executable, "-c", code], env=dict(os.environ), log=log, cwd=folder)
    try:
        wait_until("program", lambda: log.read_text().count("up") == lines, process=process, log=log, seconds=20)
        yield process
    finally:
        process.stop(grace=5)


def test_a_program_runs_in_a_session_of_its_own_so_that_ctrl_c_passes_it_by(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPER) as process:
        assert os.getsid(process.pid) == process.pid


def test_a_stopped_program_is_gone(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPER) as process:
        process.stop(grace=5)
        assert not process.alive()
        assert not psutil.pid_exists(process.pid)


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with started(tmp_path, STUBBORN) as process:
        process.stop(grace=0.2)
        assert not process.alive()


def test_what_a_program_started_is_stopped_with_it(tmp_path: Path) -> None:
    with started(tmp_path, PARENT, lines=2) as process:
        children = psutil.Process(process.pid).children()
        assert len(children) == 1
        process.stop(grace=5)
        assert not children[0].is_running()


def test_another_program_under_the_same_pid_is_not_ours(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPER) as process:
        impostor = Process(process.pid, process.started - 3600)
        assert not impostor.alive()
        impostor.stop(grace=5)
        assert process.alive()


def test_a_later_interpreter_recognises_what_an_earlier_one_started(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPER) as process:
        state = State.read(tmp_path)
        state.ports["serving"] = 1234
        state.records["serving"] = Record(process, "digest")
        state.write(tmp_path)
        code = (
            "import sys, pathlib; from embedded.state import State;"
            "state = State.read(pathlib.Path(sys.argv[1])); print(state.ports, state.running('serving').digest)"
        )
        told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == "{'serving': 1234} digest"


def test_a_state_is_for_its_owners_eyes_alone(tmp_path: Path) -> None:
    State(Place.new(tmp_path)).write(tmp_path)
    State(Place.new(tmp_path)).write(tmp_path)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_program_that_ends_while_it_is_waited_for_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "short.log"
    process = spawn([sys.executable, "-c", "raise SystemExit('no')"], env=dict(os.environ), log=log, cwd=tmp_path)
    with pytest.raises(ProcessDied, match=r"short has ended.*short\.log"):
        wait_until("short", lambda: False, process=process, log=log, seconds=20)
    assert log.read_text().strip() == "no"


def test_waiting_ends_at_its_deadline_and_says_what_came_last(tmp_path: Path) -> None:
    def refuse() -> bool:
        raise ConnectionRefusedError("nobody there")

    with started(tmp_path, SLEEPER) as process, pytest.raises(NotReady, match="nobody there"):
        wait_until("program", refuse, process=process, log=tmp_path / "program.log", seconds=0.3)


def test_a_port_in_use_gets_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.choose([port]) != port


def test_a_free_port_is_kept() -> None:
    port = ports.choose()
    assert ports.choose([port]) == port


def test_a_service_that_starts_again_stays_where_others_were_told_that_it_is() -> None:
    usual = {"prefect": ports.choose(), "mlflow": ports.choose()}
    with socket.socket() as other:
        other.bind(("127.0.0.1", usual["mlflow"]))
        other.listen()
        first = ports.assign(usual, {}, {}, [])
        assert first["prefect"] == usual["prefect"]
        assert first["mlflow"] != usual["mlflow"]
        # in one start only some services are wanted at first
        assert ports.assign(usual, {}, first, ["prefect"]) == first
    assert ports.assign(usual, {}, first, ["prefect"]) == first, "the usual one is free again, and nobody knows of it"
    assert ports.assign(usual, {}, first, []) == usual
    asked = {"mlflow": ports.choose()}
    assert ports.assign(usual, asked, first, ["prefect"])["mlflow"] == asked["mlflow"]
    assert ports.assign(usual, asked, first, ["mlflow"])["mlflow"] == first["mlflow"]


def test_no_two_services_get_one_port() -> None:
    port = ports.choose()
    assigned = ports.assign({"prefect": port, "mlflow": port}, {}, {}, [])
    assert assigned["prefect"] == port != assigned["mlflow"]


def test_a_folder_below_a_closed_one_can_not_be_reached(tmp_path: Path) -> None:
    nobody = Account(uid=65_534, gid=65_534)
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not nobody.reaches(inner)
    assert nobody.reaches(Path("/"))


def test_fast_shutdown_is_asked_for_by_the_signal_that_is_given(tmp_path: Path) -> None:
    answer = "lambda *_: (print('fast', flush=True), sys.exit())"
    code = f"import signal, sys; signal.signal(signal.SIGINT, {answer}); {SLEEPER}"
    with started(tmp_path, code) as process:
        process.stop(grace=5, first=signal.SIGINT)
        assert "fast" in (tmp_path / "program.log").read_text()
