"""All replicas of the model service: every address behind its name, a client each."""

import socket

import httpx

from trainer.rollout.errors import Unavailable
from trainer.rollout.replica import HttpReplica


def find_replicas(url: str, token: str) -> list[HttpReplica]:
    """Clients of all replicas.

    Args:
        url: The service's, such as ``http://serving:8000``.

    Raises:
        Unavailable: there are none.
    """
    service = httpx.URL(url)
    return [HttpReplica(service, address, token) for address in addresses(service.host)]


def addresses(host: str) -> list[str]:
    """The IP addresses of a host, in order.

    Of one family: a replica that has an address of each would be taken for two.

    Raises:
        Unavailable: it has none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Unavailable(f"the model service {host} has no address: {error.strerror}") from error
    by_family: dict[int, set[str]] = {}
    for family, _, _, _, address in found:
        by_family.setdefault(family, set()).add(str(address[0]))
    return sorted(by_family.get(socket.AF_INET) or by_family[socket.AF_INET6])
