"""Names of servers and of origins, and lists of them."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting such as ``localhost:*,mlflow:*``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class HostPatterns:
    """Which values of ``Host`` are this server's.

    Args:
        patterns: as of MLflow's ``--allowed-hosts``: ``*`` stands for anything, and the port counts. ``localhost:*`` is
            ``localhost`` too, whose port a browser leaves out where it is the scheme's own.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        # a bracket is part of an IPv6 address here, not a set of characters
        given = [pattern.lower().replace("[", "[[]") for pattern in patterns]
        self._patterns = (*given, *[pattern.removesuffix(":*") for pattern in given if pattern.endswith(":*")])

    def match(self, host: str) -> bool:
        """``host``: in lower case."""
        return bool(_HOST.fullmatch(host)) and any(fnmatchcase(host, pattern) for pattern in self._patterns)


def is_origin_of(origin: str, host: str) -> bool:
    """Whether a page of this origin came from the server that was asked under this name; both in lower case.

    Scheme and port needn't be compared: what ends TLS in front of the server changes the one, and a browser leaves the
    other out of both where it is the scheme's own.
    """
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == host.removesuffix(port)
