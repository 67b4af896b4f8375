"""A page of another origin, open in the user's own browser, gets nothing of the stack; the stack's own pages work."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from console.prediction import ask
from hostile_pages import serving_hostile_pages
from pipelines import MODEL, Pipeline
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    # names of the attacker's, as the attacker's own name server could say
    "--host-resolver-rules=MAP *.example 127.0.0.1",
)

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


@pytest.fixture(params=["127.0.0.1", "localhost", "evil.example"])
def hostile_page(request: pytest.FixtureRequest, page: Page) -> Iterator[Page]:
    """A page of the same site with another port, and one of another site."""
    with serving_hostile_pages() as port:
        page.goto(f"http://{request.param}:{port}/")
        yield page


HOSTILE_ID = "6" * 32
HOSTILE_TRIP = {
    "pickup_at": "2021-02-03T17:45:00",
    "pu_location_id": 74,
    "do_location_id": 166,
    "trip_distance": 6.66,
}


def targets(pipeline: Pipeline) -> list[tuple[str, dict[str, Any]]]:
    """What changes something, by URL and body."""
    prefect, mlflow, serving = (pipeline.stack.url(name) for name in ("prefect-server", "mlflow", "serving"))
    return [
        (f"{serving}/predict", HOSTILE_TRIP),
        (f"{serving}/predict/batch", {"rows": [HOSTILE_TRIP]}),
        (f"{serving}/feedback", {"prediction_id": HOSTILE_ID, "actual": 6.66}),
        (f"{prefect}/api/flows/", {"name": "hostile"}),
        (f"{prefect}/api/work_pools/", {"name": "hostile", "type": "process"}),
        (f"{prefect}/api/variables/", {"name": "hostile", "value": "1"}),
        (f"{mlflow}/ajax-api/2.0/mlflow/experiments/create", {"name": "hostile"}),
        (f"{mlflow}/api/2.0/mlflow/registered-models/create", {"name": "hostile"}),
    ]


def left_behind(pipeline: Pipeline) -> list[str]:
    """What there is that only a hostile page makes."""
    # behind what such a page could have had recorded
    before = pipeline.count("predictions")
    ask(pipeline.stack.url("serving"))
    pipeline.wait(lambda: pipeline.count("predictions") > before, 30, "an answer of our own is recorded")
    recorded = {
        "prediction": "SELECT 1 FROM predictions WHERE fields->>'trip_distance' = '6.66'",
        "outcome": f"SELECT 1 FROM outcomes WHERE prediction_id = '{HOSTILE_ID}'",  # noqa: S608  (ours)
    }
    prefect = f"{pipeline.stack.url('prefect-server')}/api"
    of_name = {"name": {"any_": ["hostile"]}}
    found = {
        "flow": requests.post(f"{prefect}/flows/filter", json={"flows": of_name}, timeout=30).json(),
        "work pool": requests.post(f"{prefect}/work_pools/filter", json={"work_pools": of_name}, timeout=30).json(),
        "variable": requests.post(f"{prefect}/variables/filter", json={"variables": of_name}, timeout=30).json(),
        "experiment": pipeline.mlflow.search_experiments(filter_string="name = 'hostile'"),
        "registered model": pipeline.mlflow.search_registered_models(filter_string="name = 'hostile'"),
    }
    with pipeline.warehouse() as connection, connection, connection.cursor() as cursor:
        for kind, query in recorded.items():
            cursor.execute(query)
            found[kind] = cursor.fetchall()
    return [kind for kind, those in found.items() if those]


def test_a_hostile_page_changes_nothing_and_reads_nothing(
    pipeline: Pipeline, champion: str, hostile_page: Page
) -> None:
    for url, body in targets(pipeline):
        read = hostile_page.evaluate("([url, body]) => tries(url, body)", [url, json.dumps(body)])
        assert {way: text for way, text in read.items() if text} == {}
        hostile_page.evaluate("([url, body]) => form(url, body)", [url, json.dumps(body)])
    assert left_behind(pipeline) == []


def test_a_hostile_page_hears_no_events_and_shows_no_page(pipeline: Pipeline, hostile_page: Page) -> None:
    prefect = pipeline.stack.url("prefect-server")
    events = prefect.replace("http", "ws") + "/api/events/out"
    assert hostile_page.evaluate("(url) => socket(url)", events) == "refused"
    for server, picture in [("prefect-server", "/ico/favicon-32x32.png"), ("mlflow", "/static-files/favicon.ico")]:
        url = pipeline.stack.url(server) + picture
        assert requests.get(url, timeout=30).ok
        assert hostile_page.evaluate("(url) => image(url)", url) == "refused"


@pytest.mark.parametrize("service", ["prefect-server", "mlflow"])
def test_a_name_that_an_attacker_gives_the_server_s_address_is_no_name_of_the_server(
    pipeline: Pipeline, page: Page, service: str
) -> None:
    url = pipeline.stack.url(service).replace("127.0.0.1", "rebound.example")
    answer = page.goto(f"{url}/")
    assert answer is not None
    assert answer.status == 403
    assert "rebound.example" in page.content()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_prefect_s_own_pages_work(pipeline: Pipeline, page: Page, host: str) -> None:
    page.goto(pipeline.stack.url("prefect-server").replace("127.0.0.1", host) + "/deployments")
    page.get_by_text("reconcile").first.wait_for()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_mlflow_s_own_pages_work(pipeline: Pipeline, champion: str, page: Page, host: str) -> None:
    page.goto(pipeline.stack.url("mlflow").replace("127.0.0.1", host) + "/#/models")
    page.get_by_text(MODEL).first.wait_for()


def test_a_link_in_a_message_opens_the_page(pipeline: Pipeline, hostile_page: Page) -> None:
    url = pipeline.stack.url("prefect-server") + "/deployments"
    hostile_page.evaluate("(url) => { window.location = url }", url)
    hostile_page.get_by_text("reconcile").first.wait_for()
