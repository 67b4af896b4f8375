"""A registry that names places elsewhere, or leads there, has nothing asked there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from trainer.registry.artifacts import ForeignArtifacts
from trainer.registry.champion import Registry
from trainer.registry.runs import TrainingRun, client

Answers = dict[str, object]


@contextmanager
def server(answers: Answers) -> Iterator[tuple[str, list[str]]]:
    """Answers a path's last part: JSON, text, or a redirect to a URL. Yields its address, and what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path.partition("?")[0].rpartition("/")[2], {})
            leads = isinstance(answer, str) and answer.startswith("http")
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(302 if leads else 200)
            if leads:
                self.send_header("Location", str(answer))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def inside() -> Iterator[tuple[str, list[str]]]:
    with server({}) as found:
        yield found


@pytest.fixture(autouse=True)
def mlflow_s_settings() -> Iterator[None]:
    """The client sets some for its process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def mlflow(address: str) -> MlflowClient:
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    return client(address)


@pytest.mark.parametrize(
    "place",
    [
        "{inside}/secret",
        "mlflow-artifacts://{inside_host}/x",
        "s3://bucket/model",
        "file:///etc",
        "/etc",
        "mlflow-artifacts:/../../api/2.0/mlflow/users/list",
        "runs:/0123456789abcdef0123456789abcdef/model",
    ],
)
def test_a_version_s_files_come_from_the_registry_s_own_server(
    place: str, inside: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = inside
    uri = place.format(inside=address, inside_host=address.removeprefix("http://"))
    run = {"run": {"info": {"run_id": "0123456789abcdef0123456789abcdef", "artifact_uri": address}, "data": {}}}
    with (
        server({"get-download-uri": {"artifact_uri": uri}, "get": run}) as (registry, _),
        pytest.raises(ForeignArtifacts),
    ):
        Registry(mlflow(registry), "trip-duration").download("7", tmp_path / "bundle")

    assert asked == []


def test_a_version_s_files_on_the_server_itself_are_fetched(tmp_path: Path) -> None:
    listed = {"files": [{"path": "contract.json", "is_dir": False, "file_size": 2}]}
    answers: Answers = {
        "get-download-uri": {"artifact_uri": "mlflow-artifacts:/1/models/m-7/artifacts"},
        "artifacts": listed,
        "contract.json": "it",
    }
    with server(answers) as (registry, _):
        folder = Registry(mlflow(registry), "trip-duration").download("7", tmp_path / "bundle")

    assert (folder / "contract.json").read_text() == "it"


def test_a_registry_s_redirect_isn_t_followed(inside: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = inside
    with (
        server({"get-download-uri": f"{address}/secret", "alias": f"{address}/secret"}) as (registry, _),
        pytest.raises((MlflowException, ForeignArtifacts)),
    ):
        Registry(mlflow(registry), "trip-duration").download("7", tmp_path / "bundle")

    assert asked == []


def test_a_training_s_files_go_nowhere_else() -> None:
    info = {"run_id": "1", "experiment_id": "1", "artifact_uri": "mlflow-artifacts://evil.example/1"}
    answers: Answers = {
        "get-by-name": {"experiment": {"experiment_id": "1", "name": "trip-duration"}},
        "create": {"run": {"info": info, "data": {}}},
    }
    with server(answers) as (tracking, _), pytest.raises(ForeignArtifacts, match=r"evil\.example"):
        TrainingRun.start(mlflow(tracking), "trip-duration", "green", {})
