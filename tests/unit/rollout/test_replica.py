"""What a replica is asked over HTTP, and what its answers mean."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from contract.booster import load
from contract.golden import requests_of
from trainer.rollout import replica as module
from trainer.rollout.errors import NotServed, Refused, Unavailable
from trainer.rollout.proof import Proof
from trainer.rollout.replica import HttpReplica
from trainer.rollout.replicas import addresses, find_replicas

PROOF = Proof("8", "d8", [{"distance": 1.5}], [4.25])


@dataclass
class Service:
    """A server that answers what a test says it should."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any, str | None]] = field(default_factory=list)
    """Path, body and authorization."""
    port: int = 0
    html: bool = False
    """Somebody else answers."""

    @property
    def replica(self) -> HttpReplica:
        return HttpReplica(httpx.URL(f"http://localhost:{self.port}"), "127.0.0.1", "secret")

    def refuses(self, path: str, status: int, detail: str, kind: str = "refused") -> None:
        problem = {"type": f"urn:roundhouse:problem:{kind}", "title": "", "status": status, "detail": detail}
        self.answers[path] = (status, problem)

    def serves(self, version: str = "8", *, generation: int = 5, lease: object = None, digest: str = "d8") -> None:
        workers = [{"pid": pid, "version": version, "generation": generation} for pid in (11, 12)]
        model = {"version": version, "digest": digest, "generation": generation, "workers": workers, "lease": lease}
        self.answers["/model"] = (200, model)


@pytest.fixture
def service() -> Iterator[Service]:
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: Any) -> None:
            told.asked.append((self.path, body, self.headers["Authorization"]))
            assert self.headers["Host"] == f"localhost:{told.port}"
            status, answer = told.answers[self.path]
            self.send_response(status)
            kind = "application/json" if status < 400 else "application/problem+json"
            self.send_header("Content-Type", "text/html" if told.html else kind)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            """The test's output is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_call_is_made_as_the_interface_says(service: Service) -> None:
    service.answers |= {
        "/rollout/stage": (200, {"version": "8", "digest": "d8"}),
        "/rollout/swap": (200, {"from": "7", "to": "8", "generation": 5}),
        "/rollout/renew": (200, {"lease_until": "later"}),
        "/rollout/abandon": (200, {"version": "7", "generation": 6}),
        "/reload": (200, {"from": "7", "to": "8"}),
    }
    assert service.replica.stage("8") == "d8"
    assert service.replica.swap("8", 60) == 5
    service.replica.renew("8", 60)
    service.replica.abandon("8")
    service.replica.follow()

    assert service.asked == [
        ("/rollout/stage", {"version": "8"}, "Bearer secret"),
        ("/rollout/swap", {"version": "8", "lease_seconds": 60}, "Bearer secret"),
        ("/rollout/renew", {"version": "8", "lease_seconds": 60}, "Bearer secret"),
        ("/rollout/abandon", {"version": "8"}, "Bearer secret"),
        ("/reload", {}, "Bearer secret"),
    ]


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (409, "damaged-bundle", Refused),
        (401, "not-authorized", Refused),
        (422, "invalid-input", Refused),
        (404, "not-found", Refused),
        (409, "swap-in-progress", Unavailable),
        (502, "registry-unreachable", Unavailable),
        (503, "no-model", Unavailable),
    ],
)
def test_a_refusal_carries_the_replica_and_the_reason(
    service: Service, status: int, kind: str, error: type[Exception]
) -> None:
    service.refuses("/rollout/stage", status, "because of this", kind)
    with pytest.raises(error, match=r"^replica 127\.0\.0\.1: /rollout/stage: because of this$"):
        service.replica.stage("8")


def test_what_answers_in_a_replica_s_place_is_taken_at_its_status(service: Service) -> None:
    service.html = True
    service.answers["/reload"] = (502, "a proxy's page")
    with pytest.raises(Unavailable, match=r"^replica 127\.0\.0\.1: /reload: Bad Gateway$"):
        service.replica.follow()


def test_a_replica_that_isn_t_there_is_unavailable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and doesn't listen
        port = reserved.getsockname()[1]
        with pytest.raises(Unavailable, match=r"replica 127\.0\.0\.1: /reload: "):
            HttpReplica(httpx.URL(f"http://localhost:{port}"), "127.0.0.1", "secret").follow()


def test_a_replica_is_verified_by_version_digest_generation_and_answers(service: Service) -> None:
    service.serves()
    service.answers["/predict/batch"] = (200, {"predictions": [4.25], "model": {"name": "m", "version": "8"}})
    service.replica.verify(PROOF, 5)

    service.serves("7")
    with pytest.raises(NotServed, match="serves version 7"):
        service.replica.verify(PROOF, 5)
    service.serves(digest="another")
    with pytest.raises(NotServed, match="serves the bundle another, not d8"):
        service.replica.verify(PROOF, 5)
    service.serves(generation=4)
    with pytest.raises(NotServed, match=r"workers are at generations \{11: 4, 12: 4\}, not all at 5"):
        service.replica.verify(PROOF, 5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"predictions": [4.26], "model": {"version": "8"}}, r"offline 4\.25, online 4\.26"),
        ({"predictions": [], "model": {"version": "8"}}, "0 predictions for 1 rows"),
        ({"predictions": [4.25], "model": {"version": "7"}}, "answers from version 7"),
    ],
)
def test_a_replica_that_answers_otherwise_is_not_verified(service: Service, answer: object, said: str) -> None:
    service.serves()
    service.answers["/predict/batch"] = (200, answer)
    with pytest.raises(NotServed, match=said):
        service.replica.verify(PROOF, 5)


def test_a_worker_left_behind_is_not_verified(service: Service) -> None:
    service.serves()
    service.answers["/model"][1]["workers"][1] |= {"version": None, "generation": 0}
    with pytest.raises(NotServed, match=r"its workers \{11: '8', 12: None\}"):
        service.replica.verify(PROOF, 5)


def test_a_lease_that_lasts_is_not_fulfilled(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 1.0)
    service.answers["/reload"] = (200, {})
    service.serves(lease={"version": "8", "until": "later", "before": "7"})
    with pytest.raises(NotServed, match="by a lease, not by the alias"):
        service.replica.verify_fulfilled("8")
    assert len(service.asked) > 2

    service.serves()
    service.replica.verify_fulfilled("8")


def test_every_address_behind_the_name_is_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.3", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.3", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert [str(each) for each in find_replicas("http://serving:8000", "")] == ["replica 10.0.0.2", "replica 10.0.0.3"]
    del found[1:]
    assert addresses("serving") == ["fd00::1"]


def test_a_service_without_an_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"the model service nowhere\.invalid has no address"):
        addresses("nowhere.invalid")


def test_a_proof_has_the_golden_rows_and_their_predictions(tmp_path: Path, make_bundle: Any) -> None:
    contract = make_bundle(tmp_path / "bundle")
    proof = Proof.of("8", tmp_path / "bundle")

    assert proof.digest == contract.digest
    assert len(proof.rows) == len(proof.predictions) == 40
    proof.check(proof.predictions)
    with pytest.raises(NotServed):
        proof.check([value + 0.01 for value in proof.predictions])


def test_a_training_s_proof_also_has_the_first_hundred_rows_of_its_holdout_and_a_replica_is_asked_for_all(
    service: Service, tmp_path: Path, make_bundle: Any
) -> None:
    contract = make_bundle(tmp_path / "bundle")
    held_out = pa.table(
        {
            "at": [datetime(2024, 6, 1 + n % 30, n % 24) for n in range(150)],
            "station": [5 + n % 7 for n in range(150)],
            "temperature": [n / 5 for n in range(150)],
            "docks": pa.array([None if n % 3 else n % 99 for n in range(150)], pa.int32()),
            "rentals": [7.0] * 150,
        }
    )
    golden, proof = (Proof.of("8", tmp_path / "bundle", rows) for rows in (None, held_out))
    probed = held_out.slice(0, 100)

    assert list(proof.rows) == [*golden.rows, *requests_of(contract, probed)]
    model = load(tmp_path / "bundle")
    assert list(proof.predictions) == [*golden.predictions, *model.predict(contract.matrix(probed)).tolist()]
    service.serves(digest=proof.digest)
    answers = list(proof.predictions)
    service.answers["/predict/batch"] = (200, {"predictions": answers, "model": {"version": "8"}})
    service.replica.verify(proof, 5)
    assert service.asked[-1] == ("/predict/batch", {"rows": list(proof.rows)}, "Bearer secret")
    answers[-1] += 0.01
    with pytest.raises(NotServed, match="offline"):
        service.replica.verify(proof, 5)
