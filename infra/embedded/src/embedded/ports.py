"""Ports on the loopback address."""

import random
import socket
from collections.abc import Collection, Mapping, Sequence

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


def choose(preferred: Sequence[int] = (), taken: Collection[int] = ()) -> int:
    """The first of the preferred ports that is free, else one by chance.

    Args:
        preferred: Of these, 0 is none.
        taken: Ports that programs will have that don't listen yet.
    """
    for port in preferred:
        if port and port not in taken and is_free(port):
            return port
    while True:
        port = random.choice(UNUSED)  # noqa: S311  (it is no secret)
        if port not in taken and is_free(port):
            return port


def assign(
    usual: Mapping[str, int], asked: Mapping[str, int], before: Mapping[str, int], running: Collection[str]
) -> dict[str, int]:
    """A port for each service, by its name.

    A service that runs keeps its port. Another gets what is asked for; else, while others run that were told of it, the
    one of before; else the usual one; and where these are taken, any.

    Args:
        usual: Of every service; 0 for none.
        asked: Of those for which a person names one.
        before: Of the last start.
        running: Services that run.
    """
    assigned = {name: before[name] for name in usual if name in running}
    for name in usual:
        if name not in assigned:
            others = [*assigned.values(), *[port for other, port in before.items() if other != name]]
            last = before.get(name, 0)
            rest = (last, usual[name]) if running else (usual[name], last)
            assigned[name] = choose((asked.get(name, 0), *rest), others)
    return assigned
