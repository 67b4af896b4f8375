"""Where batch processes and workers meet."""

import socket
from pathlib import Path

from serving.sockets import address

BATCH_SOCKET = "batch.socket"
"""In the run folder."""


def listen(path: Path) -> socket.socket:
    """A Unix socket that takes orders, whether or not someone reads them yet."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address(path))
    listener.listen(1024)
    return listener
