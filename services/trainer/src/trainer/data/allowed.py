"""Where data may be read from.

Whoever may start a run names a location, and the run would read it with the rights of this machine, which may see more
than that person: other services on loopback, a cloud's metadata, anybody's files.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.request import url2pathname

import httpx

from trainer.data.errors import LocationRefused

ANY = "*"
HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """A base URL, and what logs in there, which is never shown."""

    url: str
    """Without a slash at its end."""
    credentials: tuple[str, str] | None = None


@dataclass(frozen=True)
class Allowed:
    """Hosts and folders that a location may name."""

    hosts: frozenset[str]
    """As ``host:port``; ``*`` for any with a public address."""
    folders: tuple[Path, ...]

    @classmethod
    def of(cls, hosts: str, folders: str, configured: str, given: Path) -> Self:
        """From the settings' lists, the location that they name, and a folder that is allowed in any case.

        Raises:
            LocationRefused: an entry is no host.
        """
        named = {name for host in _listed(hosts) for name in _named(host)}
        paths = [given, *map(Path, _listed(folders))]
        if _is_web(configured):
            named |= _with_ports(_parsed(configured))
        else:
            paths.append(_path(configured))
        return cls(frozenset(named), tuple(map(_absolute, paths)))

    def find(self, location: str) -> Address | Path:
        """A location that may be read: a folder, or a base URL.

        Raises:
            LocationRefused: any other.
        """
        if not _is_web(location):
            return self._folder(location)
        url = _parsed(location)
        shown = str(url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")
        if "?" in location or "#" in location:
            raise LocationRefused(shown, "a base URL has no query and no fragment")
        self.check_host(url)
        return Address(shown, (url.username, url.password) if url.userinfo else None)

    def check_host(self, url: httpx.URL) -> bool:
        """Whether it is named, and not only one of any.

        Raises:
            LocationRefused: it is neither.
        """
        asked = _with_port(url, url.port or DEFAULT_PORTS.get(url.scheme, 0))
        named = asked in self.hosts
        if url.scheme not in DEFAULT_PORTS or not (named or ANY in self.hosts):
            raise LocationRefused(
                f"{url.scheme}://{asked}", "not a host that TRAINER_DATA_HOSTS or TRAINER_TLC_LOCATION names"
            )
        return named

    def _folder(self, location: str) -> Path:
        # links aren't followed: one inside such a folder was put there by somebody who may
        path = _absolute(_path(location))
        if not any(path.is_relative_to(folder) for folder in self.folders):
            raise LocationRefused(str(path), "not a folder that TRAINER_DATA_FOLDERS or TRAINER_TLC_LOCATION names")
        return path


def host_of(url: httpx.URL) -> str:
    """In lower case, and in ASCII as it is looked up."""
    return url.raw_host.decode("ascii").lower()


def _named(entry: str) -> set[str]:
    if entry == ANY:
        return {ANY}
    if not HOST.fullmatch(entry):
        raise LocationRefused("TRAINER_DATA_HOSTS", f"{entry!r} is neither a host nor host:port")
    return _with_ports(_parsed(f"http://{entry}"))


def _with_ports(url: httpx.URL) -> set[str]:
    """Without one of its own, both default ports: a site may lead from one to the other."""
    return {_with_port(url, port) for port in ([url.port] if url.port else DEFAULT_PORTS.values())}


def _with_port(url: httpx.URL, port: int) -> str:
    return f"{host_of(url)}:{port}"


def _parsed(location: str) -> httpx.URL:
    try:
        url = httpx.URL(location)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise LocationRefused(location.partition(":")[0] + "://…", "not a URL") from error
    if not url.host:
        raise LocationRefused(f"{url.scheme}://…", "a URL without a host")
    return url


def _is_web(location: str) -> bool:
    return location.lower().startswith(("http:", "https:"))


def _path(location: str) -> Path:
    return Path(url2pathname(location.removeprefix("file://")) if location.startswith("file://") else location)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (Path.resolve would follow links)


def _listed(text: str) -> Iterator[str]:
    return (entry.strip() for entry in text.split(",") if entry.strip())
