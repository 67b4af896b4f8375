"""Who may ask: the names under which this service is known, and the pages that may.

A browser sends requests for any page that is open in it, and says which page asks. Programs send no ``Origin``.
"""

from collections.abc import Iterable, Sequence

from originguard.names import HostPatterns, is_origin_of

from serving.problems import Problem

MOST_REMEMBERED = 100
"""Values of ``Host`` that were found to be this service's."""


class Doors:
    """What a request's head must say.

    Args:
        hosts: patterns of the service's names, as ``localhost:*``.
        origins: pages of other origins that may ask, as ``https://app.example``.
    """

    def __init__(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._hosts = HostPatterns(hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self._known: set[bytes] = set()

    def objection(self, headers: Sequence[tuple[bytes, bytes]], version: str) -> Problem | None:
        """What speaks against a request; its headers' names are in lower case."""
        hosts = [value for name, value in headers if name == b"host"]
        # health checks of old balancers speak HTTP/1.0 without one; browsers don't
        if len(hosts) > 1 or (not hosts and version != "1.0"):
            return Problem("bad-request", "The request is not HTTP", 400, "a request has one Host")
        host = hosts[0].decode("latin-1").lower() if hosts else ""
        if hosts and not self.know(hosts[0]):
            return _forbidden(
                "unknown-host", f"this service isn't known as {host}; SERVING_ALLOWED_HOSTS has its names"
            )
        for name, value in headers:
            if name == b"origin" and not self._may_ask(value.decode("latin-1").lower(), host):
                origin = value.decode("latin-1")
                return _forbidden(
                    "foreign-origin", f"pages of {origin} may not ask; SERVING_ALLOWED_ORIGINS has those that may"
                )
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                detail = "a body is taken as it is, not packed"
                return Problem(
                    "content-encoding", "The body is packed", 415, detail, headers={"Accept-Encoding": "identity"}
                )
        return None

    def know(self, host: bytes) -> bool:
        """Whether a value of ``Host`` is one of this service's names; costs nothing the second time."""
        if host in self._known:
            return True
        if not self._hosts.match(host.decode("latin-1").lower()):
            return False
        if len(self._known) < MOST_REMEMBERED:
            self._known.add(host)
        return True

    def _may_ask(self, origin: str, host: str) -> bool:
        return origin in self._origins or is_origin_of(origin, host)


def _forbidden(slug: str, detail: str) -> Problem:
    return Problem(slug, "The request is refused", 403, detail)
