"""The registry's client when the other side isn't a healthy MLflow. What a healthy one says: integration tests."""

import gzip
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from serving.errors import RegistryUnreachable, TooLarge, UnreadableLocation
from serving.mlflow_registry import MlflowRegistry
from serving.registry import ModelVersion

VERSION = ModelVersion("bike-demand", "1", "run", "s3://bucket/model", 0)


def registry(port: int) -> MlflowRegistry:
    uri = f"http://127.0.0.1:{port}/"
    return MlflowRegistry(uri, "bike-demand", "champion", connect_seconds=0.5, read_seconds=0.3)


@contextmanager
def answering(status: int, body: bytes, length: int | None = None, **headers: str) -> Iterator[int]:
    """A server that gives every request the same answer; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(ConnectionError):  # of a client that has read enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_no_server_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(RegistryUnreachable, match="no connection"):
            registry(bound.getsockname()[1]).champion()


def test_a_password_in_the_registrys_address_is_used_and_never_shown() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        uri = f"http://ann:p%40ss@127.0.0.1:{server.server_address[1]}"
        logged_in = MlflowRegistry(uri, "bike-demand", "champion", connect_seconds=5, read_seconds=5)
        with pytest.raises(RegistryUnreachable) as answered:
            logged_in.champion()
    assert asked == [f"Basic {b64encode(b'ann:p@ss').decode()}"]
    with pytest.raises(RegistryUnreachable) as gone:
        logged_in.champion()
    for told in (answered, gone):
        assert "the registry at http://127.0.0.1:" in str(told.value)
        assert "ann" not in str(told.value)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(RegistryUnreachable, match="no answer within"):
            registry(silent.getsockname()[1]).champion()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_error_of_the_server_is_told_with_its_status(status: int) -> None:
    with answering(status, b"{}") as port, pytest.raises(RegistryUnreachable, match=str(status)):
        registry(port).champion()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"{}", b'{"model_version": {"name": "x"}}', b"null"])
def test_an_answer_that_is_not_mlflows_is_not_believed(body: bytes) -> None:
    with answering(200, body) as port, pytest.raises(RegistryUnreachable, match="isn't MLflow's"):
        registry(port).version("1")


def test_an_answer_that_ends_early_is_not_taken_for_a_file(tmp_path: Path) -> None:
    body = b'{"artifact_uri": "mlflow-artifacts:/x"}'
    with answering(200, body, length=len(body) + 10) as port, pytest.raises(RegistryUnreachable):
        registry(port).download(VERSION, "model.ubj", tmp_path / "model.ubj", 1000)


def test_files_that_the_server_does_not_proxy_are_no_candidate(tmp_path: Path) -> None:
    body = b'{"artifact_uri": "s3://bucket/model"}'
    with answering(200, body) as port, pytest.raises(UnreadableLocation, match="s3://bucket/model"):
        registry(port).download(VERSION, "model.ubj", tmp_path / "model.ubj", 1000)


@pytest.mark.parametrize(
    "uri",
    ["mlflow-artifacts://evil.example/x", "mlflow-artifacts:/../../mlflow/users/list", "mlflow-artifacts:/a/../b"],
)
def test_files_of_another_server_or_outside_the_artifacts_are_no_candidate(uri: str, tmp_path: Path) -> None:
    body = b'{"artifact_uri": "%s"}' % uri.encode()
    with answering(200, body) as port, pytest.raises(UnreadableLocation):
        registry(port).download(VERSION, "model.ubj", tmp_path / "model.ubj", 1000)


def test_a_redirect_of_the_registry_isn_t_followed() -> None:
    with answering(200, b"the secret of another service") as inside:
        leads_to = f"http://127.0.0.1:{inside}/secret"
        with answering(302, b"", Location=leads_to) as port, pytest.raises(RegistryUnreachable, match="answered 302"):
            registry(port).champion()


def test_metrics_that_are_no_numbers_are_left_out() -> None:
    body = b'{"run": {"data": {"metrics": [{"key": "a", "value": 1.5}, {"key": "b", "value": "NaN"}]}}}'
    with answering(200, body) as port:
        assert registry(port).metrics(VERSION) == {"a": 1.5}


@pytest.mark.parametrize("number", ["../../x", "1/2", "", ".", "1" * 40, "1\\u0000", "\\u0661", "-1", "latest"])
def test_a_version_that_is_no_number_never_becomes_a_path(number: str) -> None:
    body = f"""{{"model_version": {{"name": "bike-demand", "version": "{number}", "run_id": "r",
    "source": "models:/m", "creation_timestamp": 1}}}}"""
    with answering(200, body.encode()) as port, pytest.raises(RegistryUnreachable, match="isn't MLflow's"):
        registry(port).champion()


def test_a_location_above_the_artifacts_is_not_read(tmp_path: Path) -> None:
    body = b'{"artifact_uri": "mlflow-artifacts:/a/../../../secret"}'
    with answering(200, body) as port, pytest.raises(UnreadableLocation):
        registry(port).download(VERSION, "model.ubj", tmp_path / "model.ubj", 1000)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    body = b'{"artifact_uri": "mlflow-artifacts:/x"}' + b" " * 961
    with answering(200, body) as port:
        registry(port).download(VERSION, "model.ubj", tmp_path / "whole", 1000)
        with pytest.raises(TooLarge, match=r"model\.ubj is larger than the 999 bytes"):
            registry(port).download(VERSION, "model.ubj", tmp_path / "part", 999)


def test_an_answer_about_a_version_has_a_bounded_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.mlflow_registry.MOST_ANSWER", 1000)
    with answering(200, b" " * 1001) as port, pytest.raises(RegistryUnreachable, match="isn't MLflow's"):
        registry(port).champion()


def test_what_is_packed_is_not_unpacked(tmp_path: Path) -> None:
    # a kilobyte of it may be a megabyte, and so on
    packed = gzip.compress(b'{"artifact_uri": "mlflow-artifacts:/x"}' + b" " * 10_000_000)
    with answering(200, packed, Content_Encoding="gzip") as port, pytest.raises(RegistryUnreachable):
        registry(port).download(VERSION, "golden.json", tmp_path / "golden.json", 1000)
