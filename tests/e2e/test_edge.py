"""The stack from other machines: TLS, and a login in front of everything."""

import json
import shutil
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from console.prediction import ask
from playwright.sync_api import sync_playwright

SERVICES = {"SERVING": "/health/live", "PREFECT": "/api/health", "MLFLOW": "/health"}
CHROMIUM = shutil.which("chromium")


@dataclass(frozen=True)
class Edge:
    """The edge as another machine sees it."""

    stack: Any
    trust: ssl.SSLContext
    login: str
    key: str

    def url(self, service: str, path: str = "") -> str:
        return f"https://localhost:{self.stack.port(f'EDGE_{service}_PORT')}{path}"

    @property
    def with_login(self) -> dict[str, str]:
        return {"Authorization": f"Basic {b64encode(self.login.encode()).decode()}"}

    def ask(self, url: str, headers: Mapping[str, str], body: Any = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()


@pytest.fixture(scope="module")
def edge(trained: Any, tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., Any]) -> Iterator[Edge]:
    trained.compose("--profile", "edge", "up", "--detach", "edge")
    root = tmp_path_factory.mktemp("edge") / "root.crt"
    copy = ("cp", "edge:/data/caddy/pki/authorities/local/root.crt", str(root))
    # once it has made it
    wait_until(lambda: trained.attempt("--profile", "edge", *copy).returncode, (0).__eq__, seconds=30)
    found = Edge(
        trained,
        ssl.create_default_context(cafile=str(root)),
        trained.secret("edge", "EDGE_LOGINS"),
        trained.secret("edge", "EDGE_API_KEYS"),
    )
    try:
        yield found
    finally:
        trained.compose("--profile", "edge", "rm", "--stop", "--force", "edge")


@pytest.mark.parametrize(("service", "path"), SERVICES.items())
def test_nobody_enters_without_a_login(edge: Edge, service: str, path: str) -> None:
    wrong = {"Authorization": f"Basic {b64encode(b'team:guess').decode()}"}
    for headers in ({}, wrong, {"X-API-Key": "guess"}, {"X-API-Key": ""}, {"Authorization": "Basic"}):
        assert edge.ask(edge.url(service, path), headers)[0] == 401
    assert edge.ask(edge.url(service, path), edge.with_login)[0] == 200


def test_a_program_asks_the_model_service_with_a_key_and_nobody_else(edge: Edge) -> None:
    key = {"X-API-Key": edge.key}
    example = ask(edge.stack.url("serving")).request
    status, answer = edge.ask(edge.url("SERVING", "/predict"), key, example)
    assert status == 200
    assert json.loads(answer)["model"]["name"] == "trip-duration"
    assert edge.ask(edge.url("PREFECT", "/api/health"), key)[0] == 401
    assert edge.ask(edge.url("MLFLOW", "/health"), key)[0] == 401


@pytest.mark.parametrize(
    "path", ["/reload", "//reload", "/%72eload", "/x/../reload", "/rollout/stage", "/registry/events"]
)
def test_the_stack_s_own_calls_are_not_for_other_machines(edge: Edge, path: str) -> None:
    token = {"Authorization": f"Bearer {edge.stack.secret('serving', 'SERVING_RELOAD_TOKEN')}"}
    status, _ = edge.ask(edge.url("SERVING", path), {**token, "X-API-Key": edge.key}, {})
    assert status in (403, 404)


def test_a_page_of_another_origin_is_refused_with_the_login_too(edge: Edge) -> None:
    for service, path in SERVICES.items():
        status, _ = edge.ask(edge.url(service, path), {**edge.with_login, "Origin": "https://evil.example"})
        assert status == 403


def test_what_is_not_encrypted_gets_no_answer(edge: Edge) -> None:
    plain = edge.url("SERVING", "/health/live").replace("https", "http")
    assert edge.ask(plain, edge.with_login)[0] == 400


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
def test_the_pages_work_behind_a_login(edge: Edge) -> None:
    user, _, password = edge.login.partition(":")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            http_credentials={"username": user, "password": password}, ignore_https_errors=True
        )
        for service, path, shown in (
            ("PREFECT", "/deployments", "trip-duration"),
            ("MLFLOW", "/#/models/trip-duration", "champion"),
            ("SERVING", "/docs", "/predict"),
        ):
            page = context.new_page()
            page.goto(edge.url(service, path))
            page.get_by_text(shown).first.wait_for(timeout=60_000)
            page.close()
        browser.close()
