"""Forks a process for each launcher that asks for one, out of an interpreter that has imported all that flows need.

Single-threaded, since a fork copies the calling thread alone: a lock that another one holds would stay locked in the
child for ever.
"""

import contextlib
import json
import logging
import os
import secrets
import selectors
import signal
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from trainer.worker.launcher import LENGTH

log = logging.getLogger("trainer.worker")

REQUEST_SECONDS = 10.0
"""Within which a launcher must have said what it wants."""

LONGEST_REQUEST = 4 << 20
"""Bytes: Linux gives a process no larger environment."""

STREAMS = 3
"""Standard input, output and error."""

PEER = struct.Struct("3i")
"""Process, user and group at the other end of a socket (Linux's ``struct ucred``)."""


@dataclass(frozen=True)
class Request:
    """What a launcher was started with, which the process that it stands for takes over."""

    environment: Mapping[str, str]
    folder: str
    streams: tuple[int, ...]
    """File descriptors of standard input, output and error."""

    def take_over(self) -> None:
        """Makes this process look as if it had been started by the launcher."""
        for target, stream in enumerate(self.streams):
            os.dup2(stream, target)
            os.close(stream)
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)


class ForkServer:
    """Listens on an abstract socket, which needs no file: no other server, full disk or long path is in its way."""

    def __init__(self) -> None:
        self.address = f"roundhouse-trainer-{secrets.token_hex(16)}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"\0{self.address}")
        self._listener.listen()
        self._ended, ended = socket.socketpair()
        for end in (self._listener, self._ended, ended):
            end.setblocking(False)
        signal.set_wakeup_fd(ended.fileno(), warn_on_full_buffer=False)
        self._wakeup = ended
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._launchers: dict[int, socket.socket] = {}
        """By the process that was forked for them."""

    def serve(self, worker: int) -> int | Request:
        """In the server: the wait status of the worker, once it has ended. In a forked process: what that is to do.

        Args:
            worker: Process that starts the launchers.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    request = self._accept()
                    if request is not None:
                        return request
                elif key.fileobj is self._ended:
                    status = self._reap(worker)
                    if status is not None:
                        return status
                else:
                    self._let_go(key.data)

    def close(self) -> None:
        """In a forked process: gives back all that is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for end in (self._listener, self._ended, self._wakeup, *self._launchers.values()):
            end.close()

    def _accept(self) -> Request | None:
        """A request, in the process that was forked for it; None in the server."""
        connection, _ = self._listener.accept()
        try:
            request = _read(connection)
        except (OSError, ValueError) as error:
            log.warning("a flow run's launcher was refused: %s", error)
            connection.close()
            return None
        process = os.fork()
        if not process:
            connection.close()
            self.close()
            return request
        for stream in request.streams:
            os.close(stream)
        self._launchers[process] = connection
        self._selector.register(connection, selectors.EVENT_READ, process)
        _tell(connection, process)
        return None

    def _reap(self, worker: int) -> int | None:
        """Tells launchers how their processes ended; the worker's status, if it has ended."""
        with contextlib.suppress(BlockingIOError):
            self._ended.recv(4096)
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if process == worker:
                return status
            if not process:
                return None
            if connection := self._launchers.pop(process, None):
                self._selector.unregister(connection)
                _tell(connection, status)
                connection.close()

    def _let_go(self, process: int) -> None:
        """A launcher was killed: so is what it stood for, which nobody would stop otherwise."""
        connection = self._launchers.pop(process)
        self._selector.unregister(connection)
        connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _read(connection: socket.socket) -> Request:
    """
    Raises:
        OSError: the launcher said nothing in time, or has gone.
        ValueError: it is another user's, or said something else.
    """
    connection.settimeout(REQUEST_SECONDS)
    _, user, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    if user != os.getuid():
        raise ValueError(f"it is user {user}'s")
    head, streams, _, _ = socket.recv_fds(connection, LENGTH.size, STREAMS)
    try:
        body = json.loads(_read_exactly(connection, _length(head, len(streams))))
        return Request(body["environment"], body["folder"], tuple(streams))
    except BaseException:
        for stream in streams:
            os.close(stream)
        raise


def _length(head: bytes, streams: int) -> int:
    if len(head) < LENGTH.size or streams < STREAMS:
        raise ValueError("it sent something else")
    length: int = LENGTH.unpack(head)[0]
    if length > LONGEST_REQUEST:
        raise ValueError(f"its request has {length} bytes")
    return length


def _read_exactly(connection: socket.socket, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        part = connection.recv(length - len(read))
        if not part:
            raise ValueError("it ended early")
        read += part
    return bytes(read)


def _tell(connection: socket.socket, number: int) -> None:
    # one that was killed is seen as such in the next turn
    with contextlib.suppress(OSError):
        connection.sendall(f"{number}\n".encode())
