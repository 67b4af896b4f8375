"""A launcher looks, to whoever started it, like the process that was forked for it."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trainer.worker import launcher

PROGRAM = Path(__file__).parents[2] / "support" / "forking_program.py"
LAUNCH = shlex.join([sys.executable, "-I", "-S", launcher.__file__])


def run(worker: str, code: str, given: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    """What a worker that is this shell command says, and how it ends; ``$LAUNCH`` starts a launcher.

    Args:
        code: Python that the forked processes run.
        given: the worker's standard input.
    """
    return subprocess.run(
        [sys.executable, PROGRAM, worker],
        env={**os.environ, "LAUNCH": LAUNCH, "CODE": code, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_process_has_its_launchers_environment_folder_and_streams(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "print(os.environ['ASKED'], os.getcwd(), sys.stdin.read(), 'HIDDEN' in os.environ)\n"
        "print('trouble', file=sys.stderr)\n"
        "assert imported_before\n"
    )
    done = run(f"cd {tmp_path}; unset HIDDEN; ASKED=this $LAUNCH", code, "said", HIDDEN="of the server alone")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"this {tmp_path} said False\n", "trouble\n")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("import sys; sys.exit(7)", 7),
        ("raise ValueError", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 128 + signal.SIGSEGV),
    ],
)
def test_the_launcher_ends_as_the_process_does(code: str, status: int) -> None:
    assert run("$LAUNCH; echo $?", code).stdout == f"{status}\n"


@pytest.mark.parametrize("asked", ["TERM", "INT"])
def test_a_signal_reaches_the_process(asked: str) -> None:
    code = (
        "import signal, sys\n"
        f"signal.signal(signal.SIG{asked}, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    # a shell's background job ignores SIGINT; the launcher doesn't
    worker = f"exec 3< <($LAUNCH; echo $?); read -u 3; pkill -{asked} -P $! -f launcher.py; cat <&3"

    assert run(worker, code).stdout == "5\n"


def test_a_process_whose_launcher_is_killed_is_killed_too() -> None:
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    worker = (
        "exec 3< <(exec $LAUNCH); read -u 3 process; kill -KILL $!\n"
        "while kill -0 $process 2>/dev/null; do sleep 0.01; done; echo gone"
    )

    assert run(worker, code).stdout == "gone\n"


def test_processes_run_at_the_same_time_and_each_ends_for_itself() -> None:
    code = "import os, sys; sys.exit(int(sys.stdin.readline()))"
    worker = "for n in 1 2 3 4; do (echo $n | $LAUNCH; echo $?) & done; wait"

    assert sorted(run(worker, code).stdout.split()) == ["1", "2", "3", "4"]


def test_the_server_ends_as_the_worker_does() -> None:
    assert run("exit 3", "").returncode == 3
    assert run("kill -KILL $$", "").returncode == -signal.SIGKILL


@pytest.mark.parametrize("sent", ["b''", "b'GET / HTTP/1.1'", "b'\\0\\0\\0\\x01'", "b'\\xff\\xff\\xff\\xff'"])
def test_a_client_that_is_no_launcher_gets_nothing_and_disturbs_nobody(sent: str) -> None:
    client = (
        "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + os.environ['TRAINER_FORK_SERVER']);"
        f"socket.send_fds(s, [{sent} or b'x'], [0, 1, 2]) if {sent} else None;"
        "s.shutdown(socket.SHUT_WR)\n"
        "try: answer = s.recv(9)\n"
        "except ConnectionResetError: answer = b''\n"
        "print(answer)"
    )
    done = run(f"{sys.executable} -c {shlex.quote(client)}; $LAUNCH", "print('served')")

    assert done.stdout == "b''\nserved\n"
    assert "was refused" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_s_launcher_is_refused() -> None:
    client = (
        "import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
        "s.connect(chr(0) + os.environ['TRAINER_FORK_SERVER']); print(s.recv(9))"
    )
    done = run(f"{sys.executable} -c {shlex.quote(client)}", "print('served')")

    assert done.stdout == "b''\n"
    assert "it is user 65534's" in done.stderr


def test_without_a_server_the_launcher_is_prefect_s_engine_itself() -> None:
    done = subprocess.run(
        shlex.split(LAUNCH),
        env={**os.environ, launcher.ADDRESS: "nobody-listens-here", "PREFECT__FLOW_RUN_ID": "no id"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "Invalid flow run id" in done.stderr
