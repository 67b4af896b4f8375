"""What an operator relies on: batches that survive their process, shedding, an orderly end, counts, logs and traces."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest
import requests
from contract import Contract
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.timeout(240)

MODEL = "funicular-demand"
ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
BATCH = json.dumps({"rows": [{**ROW, "temperature": n % 50} for n in range(5000)]}).encode()
JSON = {"Content-Type": "application/json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def registered(tracking: Any, make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(folder, name=MODEL)
    tracking.publish(MODEL, folder)
    tracking.crown(MODEL, "1")


@pytest.fixture
def start(registered: None, start_replica: Callable[..., Any], wait_until: Callable[..., Any]) -> Callable[..., Any]:
    """``start(workers=1, **settings)``: a replica that serves version 1."""

    def started(workers: int = 1, **settings: str) -> Any:
        replica = start_replica(MODEL, workers=workers, **settings)
        wait_until(lambda: replica.holds("1"), 60, "the champion is served")
        return replica

    return started


def post(replica: Any, path: str, body: bytes, **headers: str) -> requests.Response:
    return requests.post(replica.url + path, body, headers=JSON | headers, timeout=60)


def batch_process(replica: Any) -> int:
    """The child that runs at a lower priority."""
    (found,) = [child.pid for child in psutil.Process(replica.pid).children() if child.nice() > 0]
    return found


def metric(replica: Any, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(replica.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_a_batch_outlives_the_batch_process(start: Callable[..., Any], wait_until: Callable[..., Any]) -> None:
    replica = start()
    expected = post(replica, "/predict/batch", BATCH).json()["predictions"]
    for _ in range(3):
        victim = batch_process(replica)
        os.kill(victim, signal.SIGSTOP)  # so that the batch is surely under way when it dies
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, replica, "/predict/batch", BATCH)
            wait_until(lambda: metric(replica, "serving_batches") == 1, 10, "the batch is under way")
            os.kill(victim, signal.SIGKILL)
            assert replica.predict().status_code == 200
            assert answer.result().json()["predictions"] == expected
        assert batch_process(replica) != victim
    assert metric(replica, "serving_batches") == 0


def test_batches_beyond_the_limit_are_shed_and_the_others_done(
    start: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start(SERVING_MAX_BATCHES="2")
    victim = batch_process(replica)
    os.kill(victim, signal.SIGSTOP)
    with ThreadPoolExecutor(8) as pool:
        admitted = [pool.submit(post, replica, "/predict/batch", BATCH) for _ in range(2)]
        wait_until(lambda: metric(replica, "serving_batches") == 2, 10, "two batches are under way")
        for path, errors in (("/predict/batch", "type"), ("/invocations", "error_code")):
            shed = post(replica, path, BATCH)
            assert (shed.status_code, shed.headers["Retry-After"]) == (503, "1")
            assert errors in shed.json()
        assert replica.predict().status_code == 200
        os.kill(victim, signal.SIGCONT)
        assert [answer.result().status_code for answer in admitted] == [200, 200]
    assert post(replica, "/predict/batch", BATCH).status_code == 200
    assert metric(replica, "serving_refused_total", reason="overloaded") == 2


def test_a_batch_process_that_hangs_is_not_waited_for_for_ever(start: Callable[..., Any]) -> None:
    replica = start(SERVING_BATCH_SECONDS="0.5")
    victim = batch_process(replica)
    os.kill(victim, signal.SIGSTOP)
    late = post(replica, "/predict/batch", BATCH)
    assert (late.status_code, late.json()["type"]) == (503, "urn:roundhouse:problem:batch-failed")
    os.kill(victim, signal.SIGCONT)
    assert post(replica, "/predict/batch", BATCH).status_code == 200


def test_what_is_too_much_is_refused_and_leaves_no_memory_behind(start: Callable[..., Any]) -> None:
    replica = start()
    post(replica, "/predict/batch", BATCH)
    before = _memory(replica)
    million = b'{"rows": [' + b",".join([json.dumps(ROW).encode()] * 1_000_000) + b"]}"
    many = b'{"rows": [' + b",".join([json.dumps(ROW).encode()] * 50_000) + b"]}"
    for body, statuses in (
        (million, {413}),
        (many, {422}),
        (b" " * 100_000_000, {413}),
        (b'{"rows": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {400, 422}),
        (b'{"rows": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}", {400, 422}),
    ):
        for path in ("/predict/batch", "/predict", "/invocations", f"/v2/models/{MODEL}/infer"):
            try:
                response = post(replica, path, body)
            except requests.ConnectionError:
                # it was refused by its declared length, and the client was still sending
                assert len(body) > 8 << 20
                continue
            expected = statuses | ({400} if 422 in statuses or 400 in statuses else set())
            assert response.status_code in expected, (path, len(body), response.text[:300])
    assert replica.predict().status_code == 200
    assert _memory(replica) - before < 150 << 20


def test_what_was_begun_is_answered_before_the_end(start: Callable[..., Any]) -> None:
    replica = start(workers=2)
    ending = threading.Event()
    answers: list[requests.Response] = []
    cut: list[Exception] = []

    def ask(path: str, body: bytes) -> None:
        with requests.Session() as session:
            while not ending.is_set():
                try:
                    answers.append(session.post(replica.url + path, body, headers=JSON, timeout=30))
                except requests.exceptions.ChunkedEncodingError as error:
                    cut.append(error)
                except requests.ConnectionError:
                    return

    askers = [threading.Thread(target=ask, args=("/predict", json.dumps(ROW).encode())) for _ in range(4)]
    askers.append(threading.Thread(target=ask, args=("/predict/batch", BATCH)))
    for asker in askers:
        asker.start()
    while len(answers) < 500:
        ending.wait(0.01)
    assert replica.stop() == 0
    ending.set()
    for asker in askers:
        asker.join(30)
    assert {answer.status_code for answer in answers} == {200}
    assert not cut
    assert all(len(answer.content) == int(answer.headers["Content-Length"]) for answer in answers)


def test_counts_are_exact_whichever_worker_is_asked(start: Callable[..., Any]) -> None:
    replica = start(workers=2)
    for _ in range(60):
        assert requests.post(f"{replica.url}/predict", json=ROW, timeout=10).status_code == 200
    for _ in range(7):
        assert post(replica, "/predict", b"{}").status_code == 422
    post(replica, "/predict/batch", BATCH)
    for _ in range(10):
        assert metric(replica, "serving_requests_total", route="/predict", status="200") == 60
        assert metric(replica, "serving_requests_total", route="/predict", status="422") == 7
        assert metric(replica, "serving_request_seconds_count", route="/predict") == 67
        assert metric(replica, "serving_request_seconds_bucket", route="/predict", le="+Inf") == 67
        assert metric(replica, "serving_rows_total", route="/predict/batch") == 5000
        assert metric(replica, "serving_refused_total", reason="invalid-input") == 7
        assert metric(replica, "serving_model_version") == 1


def test_the_access_log_names_request_and_trace(start: Callable[..., Any], wait_until: Callable[..., Any]) -> None:
    replica = start()
    for body, status in ((json.dumps(ROW).encode(), 200), (b"{}", 422)):
        answer = post(replica, "/predict", body, **{"X-Request-ID": f"job-{status}", "traceparent": TRACE})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, f"job-{status}")

    def logged() -> dict[str, Any] | None:
        lines = [json.loads(line) for line in replica.output().splitlines() if '"serving.access"' in line]
        found = {line["request_id"]: line for line in lines}
        return found if {"job-200", "job-422"} <= found.keys() else None

    lines = wait_until(logged, 10, "both requests are in the log")
    for status in (200, 422):
        line = lines[f"job-{status}"]
        assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", status)
        assert line["trace_id"] == TRACE.split("-")[1]
        assert line["ms"] > 0


class Listener:
    """An HTTP server that keeps what it is sent."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], bytes]) -> None:
        heard: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                content = answer(self)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.heard = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Listener]:
    listener = Listener(lambda _: b"")
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_spans_are_exported_with_their_parent(
    start: Callable[..., Any], collector: Listener, wait_until: Callable[..., Any]
) -> None:
    replica = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100")
    assert post(replica, "/predict", json.dumps(ROW).encode(), traceparent=TRACE).status_code == 200

    def span() -> Any:
        for path, _, body in list(collector.heard):
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for found in scope.spans:
                        if found.name == "POST /predict":
                            return found
        return None

    found = wait_until(span, 20, "the span arrives")
    assert found.trace_id.hex() == TRACE.split("-")[1]
    assert found.parent_span_id.hex() == TRACE.split("-")[2]
    attributes = {item.key: item.value for item in found.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["http.route"].string_value == "/predict"


def test_a_reload_passes_its_trace_and_id_on_to_the_registry(start: Callable[..., Any], tracking: Any) -> None:
    def forward(handler: BaseHTTPRequestHandler) -> bytes:
        return requests.get(tracking.uri + handler.path, timeout=30).content

    proxy = Listener(forward)
    replica = start(MLFLOW_TRACKING_URI=proxy.url)
    answer = requests.post(
        f"{replica.url}/reload",
        headers={"Authorization": "Bearer a-token-for-tests", "X-Request-ID": "promotion-5", "traceparent": TRACE},
        timeout=60,
    )
    assert answer.status_code == 200
    passed = [headers for _, headers, _ in proxy.heard if headers.get("x-request-id") == "promotion-5"]
    assert passed
    assert all(headers["traceparent"] == TRACE for headers in passed)
    proxy.server.shutdown()
    proxy.server.server_close()


def _memory(replica: Any) -> int:
    """Resident bytes of the service's processes."""
    service = psutil.Process(replica.pid)
    return sum(process.memory_info().rss for process in [service, *service.children(recursive=True)])
