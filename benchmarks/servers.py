"""The servers that are measured, ours and its peers: how each is started, and what it is asked."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from trainer.usecases.trips.fields import MODEL_NAME

from benchmarks import environments, tensors
from benchmarks.exchange import Client, Exchange, Headers, from_json
from benchmarks.model import ROWS_IN_TURN, Subject, as_json, put_into_store
from benchmarks.processes import free_port

PEERS = Path(__file__).parent / "peers"
ARROW = "application/vnd.apache.arrow.stream"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
TOKEN = "benchmark"  # noqa: S105  (of a service that nobody else reaches)
"""Of whoever operates our service."""
CLOSED_PORT = 9
"""The discard service's, which no machine runs: a registry that can't be reached."""


@dataclass(frozen=True)
class Server:
    """A server, ready to be started any number of times."""

    name: str
    title: str
    command: Callable[[int], Sequence[str]]
    """By the port to listen on."""
    environment: Callable[[int], Mapping[str, str]]
    ones: Sequence[Exchange]
    """One-row requests, sent in turn."""
    batches: Mapping[str, Exchange] = field(default_factory=dict)
    """By the name of the encoding."""

    tells_worker: bool = False
    """Whether ``GET /model`` says which process answers."""

    def worker(self, client: Client) -> int | None:
        """Process id of the one that answers, if the server tells."""
        return int(json.loads(client.get("/model"))["workers"][0]["pid"]) if self.tells_worker else None


def build(name: str, subject: Subject, folder: Path) -> Server:
    """The server of that name.

    Args:
        folder: of this server, new and empty.
    """
    return BUILDERS[name](subject, folder)


def ours(subject: Subject, folder: Path, workers: int = 1) -> Server:
    """``python -m serving`` as it is shipped; only where it listens and what it serves are set."""
    put_into_store(subject, folder / "store")
    settings = {
        "SERVING_STORE": str(folder / "store"),
        "SERVING_MODEL_NAME": MODEL_NAME,
        "SERVING_RELOAD_TOKEN": TOKEN,
        "SERVING_WORKERS": str(workers),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{CLOSED_PORT}",
    }
    infer = f"/v2/models/{MODEL_NAME}/infer"
    return Server(
        "ours",
        "Roundhouse",
        command=lambda _: [sys.executable, "-m", "serving"],
        environment=lambda port: settings | {"SERVING_PORT": str(port)},
        ones=_one_by_one("/predict", subject.rows, subject.predictions),
        batches={
            "json": Exchange(
                "/predict/batch", as_json({"rows": subject.rows}), from_json("predictions"), subject.predictions
            ),
            "arrow": _arrow(subject),
            "v2_json": tensors.raw_fields(subject, infer),
            "v2_binary": tensors.raw_fields_binary(subject, infer),
        },
        tells_worker=True,
    )


def mlflow_models_serve(subject: Subject, folder: Path) -> Server:
    python = environments.python("mlflow")
    environments.run([str(python), str(PEERS / "mlflow" / "save.py"), str(subject.booster), str(folder / "model")])
    command = [str(python), "-m", "mlflow", "models", "serve", "--model-uri", str(folder / "model"), "--workers", "1"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port"]
    return Server(
        "mlflow_models_serve",
        "`mlflow models serve`",
        command=lambda port: [*command, str(port)],
        # it starts uvicorn by its name
        environment=lambda _: {**ONE_THREAD, "MLFLOW_DISABLE_TELEMETRY": "true", **environments.activated("mlflow")},
        ones=[_split(subject, slice(row, row + 1)) for row in range(ROWS_IN_TURN)],
        batches={"json": _split(subject, slice(None))},
    )


def mlserver(subject: Subject, folder: Path) -> Server:
    (folder / "model.ubj").write_bytes(subject.booster.read_bytes())
    model = {"name": MODEL_NAME, "implementation": "mlserver_xgboost.XGBoostModel", "parameters": {"uri": "model.ubj"}}
    (folder / "model-settings.json").write_bytes(as_json(model))
    path = f"/v2/models/{MODEL_NAME}/infer"
    settings = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_DEBUG": "false"}
    return Server(
        "mlserver",
        "MLServer",
        command=lambda _: [str(environments.python("mlserver").with_name("mlserver")), "start", str(folder)],
        environment=lambda port: {
            **ONE_THREAD,
            **settings,
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": str(free_port()),
            "MLSERVER_METRICS_PORT": str(free_port()),
        },
        ones=[tensors.features(subject, path, slice(row, row + 1)) for row in range(ROWS_IN_TURN)],
        batches={"v2_json": tensors.features(subject, path, slice(None))},
    )


def empty_fastapi(subject: Subject, _: Path) -> Server:
    return _uvicorn("empty_fastapi", "empty FastAPI endpoint", subject, _constant(subject))


def bare_asgi(subject: Subject, _: Path) -> Server:
    return _uvicorn("bare_asgi", "bare ASGI function", subject, _constant(subject))


def fastapi_inplace(subject: Subject, _: Path) -> Server:
    rows = [dict(zip(subject.feature_names, row, strict=True)) for row in subject.feature_lists[:ROWS_IN_TURN]]
    ones = _one_by_one("/predict", rows, subject.predictions)
    return _uvicorn("fastapi_inplace", "FastAPI + `inplace_predict`", subject, ones)


Builder = Callable[[Subject, Path], Server]

BUILDERS: Mapping[str, Builder] = {
    builder.__name__: builder
    for builder in (ours, mlflow_models_serve, mlserver, fastapi_inplace, empty_fastapi, bare_asgi)
}


def _uvicorn(name: str, title: str, subject: Subject, ones: Sequence[Exchange]) -> Server:
    command = [sys.executable, "-m", "uvicorn", f"{name}:app", "--app-dir", str(PEERS / name), "--host", "127.0.0.1"]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port"]
    environment = {"BENCH_MODEL": str(subject.booster), "BENCH_PREDICTION": str(subject.predictions[0])}
    return Server(
        name,
        title,
        command=lambda port: [*command, str(port)],
        environment=lambda _: ONE_THREAD | environment,
        ones=ones,
    )


def _one_by_one(path: str, rows: Sequence[object], predictions: NDArray[np.float32]) -> list[Exchange]:
    """Of the first rows, each with its prediction."""
    return [
        Exchange(path, as_json(row), from_json("prediction"), predictions[position : position + 1])
        for position, row in enumerate(rows[:ROWS_IN_TURN])
    ]


def _constant(subject: Subject) -> list[Exchange]:
    """The same requests to servers that know but the first answer."""
    return _one_by_one("/predict", subject.rows, np.repeat(subject.predictions[:1], ROWS_IN_TURN))


def _split(subject: Subject, rows: slice) -> Exchange:
    frame = {"columns": subject.feature_names, "data": subject.feature_lists[rows]}
    body = as_json({"dataframe_split": frame})
    return Exchange("/invocations", body, from_json("predictions"), subject.predictions[rows])


def _arrow(subject: Subject) -> Exchange:
    sink = pa.BufferOutputStream()
    table = subject.trips.select(list(subject.model.contract.by_name))
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": ARROW, "Accept": ARROW}
    return Exchange("/predict/batch", sink.getvalue().to_pybytes(), _read_arrow, subject.predictions, headers)


def _read_arrow(answer: bytes, _: Headers) -> NDArray[np.floating]:
    table = pa.ipc.open_stream(answer).read_all()
    column = "prediction" if "prediction" in table.column_names else table.column_names[0]
    found: NDArray[np.floating] = table[column].to_numpy()
    return found
