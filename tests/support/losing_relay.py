"""Stands between a client and MLflow, and may keep an answer to itself: it was done, and nobody was told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests

MOVES_AN_ALIAS = "POST", "/registered-models/alias"


class _Relay(ThreadingHTTPServer):
    def __init__(self, server: str, loses: Callable[[], bool]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.server = server
        self.loses = loses


class _Request(BaseHTTPRequestHandler):
    server: _Relay

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Content-Type": self.headers.get("Content-Type", "")}
        try:
            answer = requests.request(
                self.command, self.server.server + self.path, data=body, headers=headers, timeout=60
            )
        except requests.ConnectionError:
            return
        method, path = MOVES_AN_ALIAS
        if self.command == method and self.path.endswith(path) and self.server.loses():
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = _pass_on  # noqa: N815  (the names that http.server looks for)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def relay(server: str, loses: Callable[[], bool]) -> Iterator[str]:
    """The relay's URL.

    Args:
        server: MLflow's URL.
        loses: Asked each time that an alias has been moved: whether the answer is lost.
    """
    with _Relay(server, loses) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()
