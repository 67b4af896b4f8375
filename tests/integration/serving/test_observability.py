"""What an operator sees from outside: health by every protocol, counts, log lines, traces, over two workers."""

import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from contract import Contract
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from tritonclient import http as triton  # type: ignore[import-untyped]

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

MODEL = "monorail-demand"
ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
BATCH = {"rows": [ROW] * 400}
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
RELOAD = {"Authorization": "Bearer a-token-for-tests"}


@pytest.fixture(scope="module")
def replica(start_serving: Callable[..., Any]) -> Any:
    return start_serving(MODEL, workers=2)


def test_health_before_and_after_a_model_is_there(
    tracking: Any,
    make_bundle: Callable[..., Contract],
    tmp_path_factory: pytest.TempPathFactory,
    start_replica: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    model = "tandem-demand"
    started = start_replica(model)
    host, _, port = started.url.removeprefix("http://").partition(":")
    mlflow_client, inference = ScoringServerClient(host, int(port)), triton.InferenceServerClient(f"{host}:{port}")
    try:
        assert inference.is_server_live()
        assert not inference.is_server_ready()
        assert not inference.is_model_ready(model)
        for path in ("/ping", "/health", "/health/ready", "/v2/health/ready"):
            assert started.get(path).status_code == 503
        assert started.get("/health/live").status_code == 200
        assert mlflow_client.get_version() == "3.17.2"
        asked = [
            started.post("/invocations", json.dumps({"instances": [ROW]})),
            started.post(f"/v2/models/{model}/infer", b"{}"),
            started.post("/predict/batch", json.dumps(BATCH)),
            started.post("/predict/batch", b"", "application/vnd.apache.arrow.stream"),
            started.post("/predict?explain=true", json.dumps(ROW)),
        ]
        for answer in asked:
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert [next(iter(answer.json())) for answer in asked] == ["error_code", "error", "type", "type", "type"]

        folder = tmp_path_factory.mktemp("bundle")
        make_bundle(folder, name=model)
        tracking.crown(model, tracking.publish(model, folder))
        wait_until(lambda: started.holds("1"), 60, "the champion is served")
        mlflow_client.ping()
        mlflow_client.wait_server_ready(timeout=10)
        for path in ("/ping", "/health", "/health/ready", "/v2/health/ready"):
            assert started.get(path).status_code == 200
        assert inference.is_server_ready()
        assert inference.is_model_ready(model)
        assert inference.is_model_ready(model, "1")
        assert not inference.is_model_ready(model, "2")
    finally:
        inference.close()


def lines_of(replica: Any) -> list[dict[str, Any]]:
    """The access log. Each line of the service's whole output must be a JSON object."""
    lines = [json.loads(line) for line in replica.output().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    return [line for line in lines if line["logger"] == "serving.access"]


def test_each_request_has_one_line_whatever_became_of_it(replica: Any, wait_until: Callable[..., Any]) -> None:
    asked = {
        "ok": ("POST", "/predict", json.dumps(ROW), 200),
        "refused": ("POST", "/predict", "{}", 422),
        "asgi": ("POST", "/predict?explain=true", json.dumps(ROW), 200),
        "batch": ("POST", "/predict/batch", json.dumps(BATCH), 200),
        "mlflow": ("POST", "/invocations", "{}", 400),
        "absent": ("GET", '/no"\\/%0Aso\u2028', "", 404),
        "method": ("PUT", "/predict", "", 405),
        "reload": ("POST", "/reload", "", 401),
    }
    ids = dict.fromkeys(asked, "")
    for name, (method, path, body, status) in asked.items():
        answer = requests.request(
            method,
            replica.url + path,
            data=body,
            headers={"Content-Type": "application/json", "X-Request-ID": f"one-{name}", "traceparent": TRACEPARENT},
            timeout=10,
        )
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, f"one-{name}")
        ids[name] = answer.headers["X-Request-ID"]
    found = wait_until(lambda: _by_id(replica, ids), 10, "all are in the log")
    for name, (method, path, _, status) in asked.items():
        (line,) = found[ids[name]]
        assert (line["method"], line["status"], line["trace_id"]) == (method, status, TRACE_ID)
        assert line["ms"] > 0
        assert line["pid"] in [worker["pid"] for worker in replica.holds("1")["workers"]]
        if name != "absent":
            assert line["path"] == path.partition("?")[0]


def _by_id(replica: Any, ids: dict[str, str]) -> dict[str, list[dict[str, Any]]] | None:
    lines = lines_of(replica)
    found = {given: [line for line in lines if line["request_id"] == given] for given in ids.values()}
    return found if all(found.values()) else None


@pytest.mark.parametrize("given", ["", "has spaces", "x" * 129, '"},{"level":"error', "é"])
@pytest.mark.parametrize("path", ["/predict", "/predict?explain=true", "/nowhere"])
def test_an_id_is_made_where_none_can_be_taken(
    replica: Any, path: str, given: str, wait_until: Callable[..., Any]
) -> None:
    headers = {"X-Request-ID": given.encode()} if given else {}
    answer = requests.post(replica.url + path, json=ROW, headers=headers, timeout=10)
    made = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    wait_until(lambda: _by_id(replica, {"it": made}), 10, "it is in the log")


def families(replica: Any) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(replica.get("/metrics").text)}


def counts(replica: Any) -> Counter[tuple[str, ...]]:
    """What only ever grows, but for the scrapes themselves."""
    found: Counter[tuple[str, ...]] = Counter()
    for family in families(replica).values():
        for sample in family.samples:
            if family.type in {"counter", "histogram"} and sample.labels.get("route") != "/metrics":
                found[sample.name, *sorted(sample.labels.values())] = sample.value
    return found


def test_counts_are_exact_also_after_a_worker_was_killed(
    start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2)
    workers = {worker["pid"] for worker in replica.holds("1")["workers"]}
    for life in (1, 2, 3):
        # on a connection of its own each, so that both workers get some
        for _ in range(40):
            assert replica.predict(ROW).status_code == 200
        for _ in range(6):
            assert replica.post("/predict", "{}").status_code == 422
        for _ in range(3):
            assert replica.post("/predict/batch", json.dumps(BATCH)).status_code == 200
        assert replica.post("/invocations", json.dumps({"instances": [ROW] * 7})).status_code == 200
        wait_until(lambda life=life: _served(replica, 40 * life, "/predict"), 10, "all is in the log")
        expected = {
            ("serving_requests_total", "/predict", "200"): 40 * life,
            ("serving_requests_total", "/predict", "422"): 6 * life,
            ("serving_requests_total", "/predict/batch", "200"): 3 * life,
            ("serving_rows_total", "/predict"): 40 * life,
            ("serving_rows_total", "/predict/batch"): 1200 * life,
            ("serving_rows_total", "/invocations"): 7 * life,
            ("serving_refused_total", "invalid-input"): 6 * life,
            ("serving_request_seconds_count", "/predict"): 46 * life,
        }
        for _ in range(8):  # whichever worker is asked
            found = counts(replica)
            assert {key: found[key] for key in expected} == expected
        victim = sorted(workers)[life % 2]
        os.kill(victim, signal.SIGKILL)
        workers = wait_until(lambda victim=victim: _others(replica, victim), 30, "the worker is replaced")
    assert len({line["pid"] for line in lines_of(replica) if line["path"] == "/predict"}) > 2
    assert replica.metric("serving_workers", model="loaded") == 2


def _served(replica: Any, count: int, path: str) -> bool:
    return len([line for line in lines_of(replica) if (line["path"], line["status"]) == (path, 200)]) == count


def _others(replica: Any, victim: int) -> set[int] | None:
    model = replica.holds("1")
    pids = {worker["pid"] for worker in model["workers"]} if model else {victim}
    return None if victim in pids else pids


def test_a_scrape_is_well_formed(replica: Any) -> None:
    for _ in range(5):
        replica.predict(ROW)
        replica.post("/predict/batch", json.dumps(BATCH))
    response = replica.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    names = re.findall(r"^# TYPE (\S+) (\S+)$", response.text, re.MULTILINE)
    assert len(names) == len(set(names)) > 8
    for name, kind in names:
        assert f"# HELP {name} " in response.text
        assert name.endswith("_total") == (kind == "counter")
        assert name.startswith("serving_")
    samples = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    series = [line.rpartition(" ")[0] for line in samples]
    assert len(series) == len(set(series))
    assert not [name for name in series if "pid=" in name]


def test_histograms_agree_with_themselves_and_with_the_counts(replica: Any) -> None:
    for _ in range(20):
        replica.predict(ROW)
    found = families(replica)
    requests_of: Counter[str] = Counter()
    for sample in found["serving_requests"].samples:
        if sample.name == "serving_requests_total":
            requests_of[sample.labels["route"]] += sample.value
    buckets: dict[str, list[tuple[float, float]]] = {}
    sums, sizes = {}, {}
    for sample in found["serving_request_seconds"].samples:
        route = sample.labels["route"]
        if sample.name.endswith("_bucket"):
            buckets.setdefault(route, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[route] = sample.value
        elif sample.name.endswith("_count"):
            sizes[route] = sample.value
    assert sizes == requests_of
    for route, of_route in buckets.items():
        assert of_route == sorted(of_route)
        cumulated = [count for _, count in of_route]
        assert cumulated == sorted(cumulated)
        assert cumulated[-1] == sizes[route]
        least, most = 0.0, 0.0
        for (low, before), (high, upto) in zip([(0.0, 0.0), *of_route], of_route, strict=False):
            least += low * (upto - before)
            most += high * (upto - before) if upto > before else 0
        assert least <= sums[route] <= most


class Recorder:
    """An HTTP server that keeps what it is sent."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]) -> None:
        heard: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                status, content = answer(self)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.heard = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        """Of the traces that it was sent."""
        exports = [ExportTraceServiceRequest.FromString(body) for path, _, body in self.heard if path == "/v1/traces"]
        return [
            span for sent in exports for at in sent.resource_spans for scope in at.scope_spans for span in scope.spans
        ]


@contextmanager
def recording(answer: Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]) -> Iterator[Recorder]:
    recorder = Recorder(answer)
    thread = threading.Thread(target=recorder.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        recorder.server.shutdown()
        recorder.server.server_close()


@pytest.fixture(scope="module")
def registry(tracking: Any) -> Iterator[Recorder]:
    """The real one, overheard."""

    def forward(handler: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        answer = requests.get(tracking.uri + handler.path, timeout=30)
        return answer.status_code, answer.content

    with recording(forward) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def collector() -> Iterator[Recorder]:
    with recording(lambda _: (200, b"")) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def traced(start_serving: Callable[..., Any], collector: Recorder, registry: Recorder) -> Any:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return start_serving(MODEL, workers=2, MLFLOW_TRACKING_URI=registry.url, **settings)


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def span_of(collector: Recorder, request_id: str) -> Any:
    return next((span for span in collector.spans() if attributes(span)["serving.request_id"] == request_id), None)


@pytest.mark.parametrize(
    ("path", "body", "route", "status"),
    [
        ("/predict", ROW, "/predict", 200),
        ("/predict?explain=true", ROW, "/predict", 200),
        ("/predict", {}, "/predict", 422),
        ("/predict/batch", BATCH, "/predict/batch", 200),
        (f"/v2/models/{MODEL}/infer", {}, "/v2/models/{model}/infer", 400),
        ("/nowhere/at/all", {}, "other", 404),
    ],
)
def test_a_span_tells_what_became_of_a_request(
    traced: Any, collector: Recorder, path: str, body: Any, route: str, status: int, wait_until: Callable[..., Any]
) -> None:
    request_id = f"span-{status}-{abs(hash((path, status)))}"
    answer = traced.post(path, json.dumps(body), traceparent=TRACEPARENT, **{"X-Request-ID": request_id})
    assert answer.status_code == status
    span = wait_until(lambda: span_of(collector, request_id), 20, "the span arrives")
    assert span.name == f"POST {route}"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert span.span_id.hex() != PARENT_ID
    assert span.kind == span.SPAN_KIND_SERVER
    assert span.start_time_unix_nano < span.end_time_unix_nano
    found = attributes(span)
    assert (found["http.route"], found["http.response.status_code"]) == (route, status)
    assert found["url.path"] == path.partition("?")[0]


def test_a_trace_begins_where_none_was_given_and_the_log_names_it(
    traced: Any, collector: Recorder, wait_until: Callable[..., Any]
) -> None:
    for number, given in enumerate((None, "rubbish", "00-" + "0" * 32 + "-b7ad6b7169203331-01")):
        headers = {"X-Request-ID": f"begun-{number}", **({"traceparent": given} if given else {})}
        assert traced.post("/predict", json.dumps(ROW), **headers).status_code == 200
        span = wait_until(lambda: span_of(collector, f"begun-{number}"), 20, "the span arrives")  # noqa: B023
        assert span.parent_span_id == b""
        assert set(span.trace_id) != {0}
        lines = wait_until(lambda: _by_id(traced, {"it": f"begun-{number}"}), 10, "it is in the log")  # noqa: B023
        assert [line["trace_id"] for line in lines[f"begun-{number}"]] == [span.trace_id.hex()]


def test_spans_still_come_from_a_service_that_ends(start_serving: Callable[..., Any], collector: Recorder) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    replica = start_serving(MODEL, workers=2, **settings)
    for number in range(20):
        assert replica.post("/predict", json.dumps(ROW), **{"X-Request-ID": f"last-{number}"}).status_code == 200
    assert replica.stop() == 0
    assert all(span_of(collector, f"last-{number}") for number in range(20))


def test_a_reload_passes_its_context_on_to_the_registry(
    traced: Any, collector: Recorder, registry: Recorder, wait_until: Callable[..., Any]
) -> None:
    headers = {**RELOAD, "X-Request-ID": "promotion-8", "traceparent": TRACEPARENT, "tracestate": "vendor=1"}
    answer = requests.post(f"{traced.url}/reload", headers=headers, timeout=60)
    assert answer.status_code == 200
    passed = [sent for _, sent, _ in registry.heard if sent.get("x-request-id") == "promotion-8"]
    assert passed
    span = wait_until(lambda: span_of(collector, "promotion-8"), 20, "the span arrives")
    assert span.parent_span_id.hex() == PARENT_ID
    for sent in passed:
        assert sent["traceparent"] == f"00-{TRACE_ID}-{span.span_id.hex()}-01"
        assert sent["tracestate"] == "vendor=1"


def test_a_poll_of_the_registry_carries_no_one_elses_context(
    traced: Any, registry: Recorder, wait_until: Callable[..., Any]
) -> None:
    before = len(registry.heard)
    wait_until(lambda: len(registry.heard) > before, 20, "the registry is asked")
    assert not [sent for _, sent, _ in registry.heard[before:] if "x-request-id" in sent or "traceparent" in sent]


def test_a_collector_that_is_away_delays_nothing(start_serving: Callable[..., Any]) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    replica = start_serving(MODEL, **settings)
    for _ in range(100):
        assert replica.predict(ROW).status_code == 200
    assert replica.stop(20) == 0
