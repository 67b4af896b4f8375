"""Requests that go to no address but one that was looked at first, wherever redirects and names lead."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.request import getproxies, proxy_bypass

import httpx

from trainer.data.allowed import Allowed, host_of
from trainer.data.errors import LocationRefused

METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))
"""Where clouds tell a machine its secrets, beside the link-local 169.254.169.254."""

NAT64 = IPv6Network("64:ff9b::/96")

IpAddress = IPv4Address | IPv6Address


class PinnedTransport(httpx.BaseTransport):
    """Sends each request, so also those that redirects lead to, to an allowed host at an allowed address.

    It connects to the very address that was looked at, since a name may have another one a moment later.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._direct = httpx.HTTPTransport()
        self._proxies: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises LocationRefused, or as httpx does."""
        named = self._allowed.check_host(request.url)
        if proxy := _proxy(request.url):
            return self._by_proxy(proxy, request, named=named)
        *others, last = _addresses(request.url, named=named)
        for address in others:
            try:
                return self._direct.handle_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # it may be of a kind that this machine can't reach
        return self._direct.handle_request(_pinned(request, last))

    def _by_proxy(self, proxy: str, request: httpx.Request, *, named: bool) -> httpx.Response:
        if not named:
            raise LocationRefused(host_of(request.url), "the proxy looks it up: TRAINER_DATA_HOSTS must name it")
        if proxy not in self._proxies:
            self._proxies[proxy] = httpx.HTTPTransport(proxy=proxy)
        return self._proxies[proxy].handle_request(request)

    def close(self) -> None:
        for transport in (self._direct, *self._proxies.values()):
            transport.close()


def check_address(host: str, address: IpAddress, *, named: bool) -> None:
    """Raises LocationRefused unless it is public, or private and of a host that is named."""
    meant = _meant(address)
    if meant.is_link_local or meant.is_multicast or meant.is_unspecified or meant in METADATA:
        raise LocationRefused(host, "it has an address that data never come from")
    if not (named or meant.is_global):
        raise LocationRefused(host, "it has a private address, and TRAINER_DATA_HOSTS doesn't name it")


def _meant(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one may stand for."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _addresses(url: httpx.URL, *, named: bool) -> list[str]:
    host = host_of(url)
    try:
        found = socket.getaddrinfo(host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"the name {host} has no address") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        check_address(host, ip_address(address), named=named)
    return addresses


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    # the header Host and the certificate's name stay those of the host
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host_of(request.url)},
    )


def _proxy(url: httpx.URL) -> str | None:
    """The environment's proxy for it, which then also looks the name up."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(host_of(url)) else None
