"""An image registry on 127.0.0.1, as far as looking up a tag goes: version 2 of the protocol, with anonymous tokens."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
TOKEN = "anonymous"


@dataclass
class Registry:
    """What it has, and how it behaves."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    """By ``repository:tag``."""
    wants_token: bool = True
    misnames: bool = False
    """Whether it calls each manifest by another digest than its own."""
    scopes: list[str] = field(default_factory=list)
    """What tokens were asked for."""
    port: int = 0

    def add(self, name: str, size: int = 3) -> str:
        """An index of made-up platforms; its digest."""
        platforms = [{"digest": f"sha256:{number:064x}"} for number in range(size)]
        self.manifests[name] = json.dumps({"mediaType": INDEX, "manifests": platforms}).encode()
        return digest_of(self.manifests[name])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


def digest_of(manifest: bytes) -> str:
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


@contextlib.contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """The registry, answering while the block runs."""
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    registry.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/token":
            self.registry.scopes += parse_qs(url.query)["scope"]
            self._answer(200, json.dumps({"token": TOKEN}).encode())
        elif self.registry.wants_token and self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._challenge(url.path)
        else:
            repository, _, tag = url.path.removeprefix("/v2/").partition("/manifests/")
            self._send_manifest(self.registry.manifests.get(f"{repository}:{tag}"))

    def _challenge(self, path: str) -> None:
        scope = f"repository:{path.removeprefix('/v2/').partition('/manifests/')[0]}:pull"
        realm = f'Bearer realm="http://{self.registry.host}/token",service="registry",scope="{scope}"'
        self._answer(401, b"{}", ("WWW-Authenticate", realm))

    def _send_manifest(self, manifest: bytes | None) -> None:
        # a client that doesn't take an index would get the manifest of one platform
        if manifest is None or INDEX not in self.headers["Accept"]:
            self._answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
            return
        digest = digest_of(manifest if not self.registry.misnames else b"another")
        self._answer(200, manifest, ("Docker-Content-Digest", digest))

    def _answer(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""
