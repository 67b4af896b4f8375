"""What the worker runs for each flow run: has the fork server make the run's process, and ends as that ends.

Prefect's worker watches, signals and waits for this process. It costs some milliseconds, since it imports nothing but a
little of the standard library: run it by its path, with ``-I -S``. Without a fork server it becomes ``prefect.engine``
itself, which takes seconds longer and does the same.
"""

import json
import os
import signal
import socket
import struct
import sys

ADDRESS = "TRAINER_FORK_SERVER"
"""Environment variable: the fork server's abstract socket, without its leading zero."""

LENGTH = struct.Struct("!I")
"""Of the request that follows, in bytes."""


def main() -> None:
    connection = _connected()
    if connection is None:
        os.execv(sys.executable, [sys.executable, "-m", "prefect.engine"])  # noqa: S606  (no shell is wanted)
    # a signal that arrives before there is a process to have it waits
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    request = json.dumps({"environment": dict(os.environ), "folder": os.getcwd()}).encode()  # noqa: PTH109  (no pathlib)
    socket.send_fds(connection, [LENGTH.pack(len(request))], [0, 1, 2])
    connection.sendall(request)
    answers = connection.makefile()
    process = int(answers.readline())

    def forward(number: int, _frame: object) -> None:
        os.kill(process, number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    end_as(int(answers.readline()))


def _connected() -> socket.socket | None:
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0{address}")
    except OSError:
        return None
    return connection


def end_as(status: int) -> None:
    """Ends this process with the exit code, or by the signal, of a process whose wait status this is."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
