"""Ports on the loopback address."""

import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"

UNUSED = range(20_000, 32_768)
"""Below those that the system gives to outgoing connections, which could take a port before its server listens."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # as servers do: a port whose last connections are only lingering counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose(preferred: int = 0, taken: Collection[int] = ()) -> int:
    """The preferred port if it is free, else one by chance; 0 leaves the choice to chance.

    Args:
        taken: Ports that programs will have that don't listen yet.
    """
    if preferred and preferred not in taken and is_free(preferred):
        return preferred
    while True:
        port = random.choice(UNUSED)  # noqa: S311  (it is no secret)
        if port not in taken and is_free(port):
            return port
