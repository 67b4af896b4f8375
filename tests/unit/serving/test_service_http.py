"""The HTTP interface, over real connections, with a real model and a registry of folders."""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from contract import Contract, booster
from serving.settings import Settings
from serving_servers import asking, bike_settings, listening

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
AUTHORIZED = {"Authorization": "Bearer secret"}
PROBLEM = "urn:roundhouse:problem:"


@pytest.fixture
def settings(tmp_path: Path, run_dir: Path) -> Settings:
    return bike_settings(tmp_path, run_dir, max_body_bytes=4000, max_batch_rows=30, poll_seconds=3600)


@pytest.fixture(params=["direct", "asgi"])
async def client(request: pytest.FixtureRequest, settings: Settings, registry: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a real server: every test here runs with the short way of ``/predict`` and without it."""
    chosen = settings.model_copy(update={"direct": request.param == "direct"})
    async with listening(chosen, registry) as address, asking(address) as found:
        yield found


@pytest.fixture
async def served(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a service that serves version 1."""
    response = await client.post("/reload", json={"version": "1"}, headers=AUTHORIZED)
    assert response.status_code == 200
    return client


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"], document["type"]) == (status, status, PROBLEM + slug)
    assert document["title"]
    return document


async def test_a_prediction_is_the_boosters_with_unit_interval_and_version(
    served: httpx.AsyncClient, bundles: dict[str, Path]
) -> None:
    answer = (await served.post("/predict", json=ROW)).json()
    model = booster.load(bundles["1"])
    expected = model.predict(model.contract.row(model.rows.parse(json.dumps(ROW).encode()))).item()
    assert answer["prediction"] == expected
    assert answer["interval"] == [expected - 4, expected + 6]
    assert (answer["unit"], answer["model"]) == ("bike", {"name": "bike-demand", "version": "1"})
    assert len(answer["prediction_id"]) == 32
    assert set(answer) == {"prediction_id", "prediction", "unit", "interval", "model"}


async def test_a_batch_predicts_what_its_rows_do(served: httpx.AsyncClient) -> None:
    rows = [{**ROW, "station": 5 + n % 7, "docks": None if n % 2 else n} for n in range(20)]
    batch = (await served.post("/predict/batch", json={"rows": rows})).json()
    single = [(await served.post("/predict", json=row)).json() for row in rows]
    assert batch["predictions"] == [answer["prediction"] for answer in single]
    assert batch["intervals"] == [answer["interval"] for answer in single]
    assert (batch["unit"], batch["model"]) == ("bike", {"name": "bike-demand", "version": "1"})


async def test_a_model_without_interval_says_null(
    client: httpx.AsyncClient, registry: Any, make_bundle: Callable[..., Contract], tmp_path: Path
) -> None:
    make_bundle(tmp_path / "plain", interval=False)
    registry.folders["9"] = tmp_path / "plain"
    await client.post("/reload", json={"version": 9}, headers=AUTHORIZED)
    assert (await client.post("/predict", json=ROW)).json()["interval"] is None
    assert (await client.post("/predict/batch", json={"rows": [ROW]})).json()["intervals"] is None


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"station": ...}, "station", "is missing"),
        ({"statoin": 7}, "statoin", "did you mean 'station'"),
        ({"temperature": 51}, "temperature", "is 51"),
        ({"temperature": "warm"}, "temperature", "'warm'"),
        ({"station": 99}, "station", "is 99"),
        ({"at": "yesterday"}, "at", "not a time"),
        ({"at": "2024-05-01T08:00:00Z"}, "at", "offset"),
    ],
)
async def test_every_wrong_field_is_named_with_what_is_allowed(
    served: httpx.AsyncClient, change: dict[str, Any], field: str, problem: str
) -> None:
    row = {name: value for name, value in {**ROW, **change}.items() if value is not ...}
    (one,) = assert_problem(await served.post("/predict", json=row), 422, "invalid-input")["errors"]
    assert one["field"] == field
    assert problem in one["problem"]
    assert one["allowed"]
    batch = await served.post("/predict/batch", json={"rows": [ROW, row]})
    (same,) = assert_problem(batch, 422, "invalid-input")["errors"]
    assert same == {**one, "row": 1}


async def test_nan_is_refused(served: httpx.AsyncClient) -> None:
    body = json.dumps({**ROW, "temperature": float("nan")})
    response = await served.post("/predict", content=body, headers={"Content-Type": "application/json"})
    (error,) = assert_problem(response, 422, "invalid-input")["errors"]
    assert error["field"] == "temperature"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"at": "\xff"}', b"null"])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
async def test_a_body_that_is_no_json_object_is_refused(served: httpx.AsyncClient, path: str, body: bytes) -> None:
    assert_problem(await served.post(path, content=body), 400, "bad-json")


@pytest.mark.parametrize("body", [{"rows": []}, {"rows": 1}, {}, {"rows": [1]}, {"rows": [ROW], "more": 1}])
async def test_a_batch_of_another_shape_is_refused(served: httpx.AsyncClient, body: Any) -> None:
    assert_problem(await served.post("/predict/batch", json=body), 422, "invalid-input")


async def test_another_content_type_is_refused(served: httpx.AsyncClient) -> None:
    for path in ("/predict", "/predict/batch"):
        response = await served.post(path, content=b"at=now", headers={"Content-Type": "text/csv"})
        assert "text/csv" in assert_problem(response, 415, "not-json")["detail"]
    accepted = await served.post("/predict", json=ROW, headers={"Content-Type": "application/json; charset=utf-8"})
    assert accepted.status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/predict?explain=true", "/predict/batch", "/feedback", "/reload"])
async def test_a_body_that_does_not_say_what_it_is_is_refused(served: httpx.AsyncClient, path: str) -> None:
    # as a page of another origin may send it without asking first
    bare = httpx.Request("POST", served.base_url.join(path), content=json.dumps(ROW), headers=AUTHORIZED)
    detail = assert_problem(await served.send(bare), 415, "not-json")["detail"]
    assert detail == "there is no content type; allowed: application/json"
    plain = await served.post(path, content=json.dumps(ROW), headers=AUTHORIZED | {"Content-Type": "text/plain"})
    assert_problem(plain, 415, "not-json")


async def test_a_batch_of_too_many_rows_is_refused(served: httpx.AsyncClient) -> None:
    assert (await served.post("/predict/batch", json={"rows": [ROW] * 30})).status_code == 200
    response = await served.post("/predict/batch", json={"rows": [ROW] * 31})
    (error,) = assert_problem(response, 422, "invalid-input")["errors"]
    assert error == {"field": "rows", "problem": "has 31 rows", "allowed": "a list of 1 to 30 row objects"}


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404, "not-found")
    response = await client.get("/predict")
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/model", "/metrics", "/openapi.json", "/v2/health/ready"]
)
async def test_head_says_what_get_would(served: httpx.AsyncClient, path: str) -> None:
    full, head = await served.get(path), await served.head(path)
    assert head.status_code == full.status_code == 200
    assert head.headers["Content-Type"] == full.headers["Content-Type"]
    assert head.content == b""
    assert (await served.head("/predict")).status_code == 405


async def test_without_a_model_it_is_alive_not_ready_and_says_why(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).status_code == 200
    for response in [
        await client.get("/health/ready"),
        await client.get("/model"),
        await client.post("/predict", json=ROW),
        await client.post("/predict/batch", json={"rows": [ROW]}),
    ]:
        assert assert_problem(response, 503, "no-model")["detail"]
        assert response.headers["Retry-After"]


async def test_reload_wants_its_token_before_anything_else(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}, {"Authorization": "é"}):
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        response = await client.post("/reload", content=b"{", headers=encoded)
        assert_problem(response, 401, "not-authorized")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "", "two", "1e3", [1], "01", "1" * 30])
async def test_reload_takes_no_odd_versions(client: httpx.AsyncClient, version: Any) -> None:
    response = await client.post("/reload", json={"version": version}, headers=AUTHORIZED)
    (error,) = assert_problem(response, 422, "invalid-input")["errors"]
    assert error["field"] == "version"


async def test_reload_refuses_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    response = await client.post("/reload", json={"verison": 1}, headers=AUTHORIZED)
    assert assert_problem(response, 422, "invalid-input")["errors"][0]["field"] == "verison"
    assert_problem(await client.post("/reload", content=b"{", headers=AUTHORIZED), 400, "bad-json")
    assert_problem(await client.post("/reload", content=b"[]", headers=AUTHORIZED), 400, "bad-json")


async def test_reload_answers_from_to_generation_and_workers(client: httpx.AsyncClient, registry: Any) -> None:
    registry.alias = "2"
    first = (await client.post("/reload", headers=AUTHORIZED)).json()
    assert (first["from"], first["to"], first["generation"]) == (None, "2", 1)
    second = (await client.post("/reload", json={"version": 1}, headers=AUTHORIZED)).json()
    assert (second["from"], second["to"], second["generation"]) == ("2", "1", 2)
    (worker,) = second["workers"]
    assert (worker["version"], worker["generation"]) == ("1", 2)


async def test_reload_says_what_is_wrong_with_a_candidate(
    served: httpx.AsyncClient, registry: Any, damaged: Path
) -> None:
    registry.folders["4"] = damaged
    for version, slug in ((4, "damaged-bundle"), (9, "version-not-found")):
        response = await served.post("/reload", json={"version": version}, headers=AUTHORIZED)
        assert_problem(response, 409, slug)
    assert_problem(await served.post("/reload", headers=AUTHORIZED), 409, "no-champion")
    registry.reachable = False
    assert_problem(await served.post("/reload", headers=AUTHORIZED), 502, "registry-unreachable")
    assert (await served.post("/predict", json=ROW)).json()["model"]["version"] == "1"


STEPS = ["stage", "swap", "renew", "abandon"]


async def test_a_rollout_step_by_step(served: httpx.AsyncClient, bundles: dict[str, Path]) -> None:
    async def step(name: str, **body: Any) -> dict[str, Any]:
        response = await served.post(f"/rollout/{name}", json=body, headers=AUTHORIZED)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    digest = Contract.from_json((bundles["2"] / "contract.json").read_bytes()).digest
    assert await step("stage", version=2) == {"version": "2", "digest": digest}
    assert (await served.get("/model")).json()["lease"] is None
    swapped = await step("swap", version="2", lease_seconds=30)
    assert (swapped["from"], swapped["to"], swapped["generation"], swapped["digest"]) == ("1", "2", 2, digest)
    assert [worker["version"] for worker in swapped["workers"]] == ["2"]
    lease = (await served.get("/model")).json()["lease"]
    assert lease == {"version": "2", "before": "1", "until": swapped["lease_until"]}
    assert (await step("renew", version="2"))["lease_until"] > swapped["lease_until"]
    assert (await served.post("/predict", json=ROW)).json()["model"]["version"] == "2"
    assert await step("abandon", version="2") == {"version": "1", "generation": 3}
    assert await step("abandon", version="2") == {"version": "1", "generation": 3}
    refused = await served.post("/rollout/renew", json={"version": "2"}, headers=AUTHORIZED)
    assert_problem(refused, 409, "no-lease")
    assert (await served.get("/model")).json()["lease"] is None


@pytest.mark.parametrize("step", STEPS)
async def test_a_rollout_wants_its_token_and_a_version(client: httpx.AsyncClient, step: str) -> None:
    assert_problem(await client.post(f"/rollout/{step}", json={"version": 1}), 401, "not-authorized")
    missing = await client.post(f"/rollout/{step}", headers=AUTHORIZED)
    (error,) = assert_problem(missing, 422, "invalid-input")["errors"]
    assert (error["field"], error["problem"]) == ("version", "is missing")


@pytest.mark.parametrize("seconds", [0, -1, 3601, "60", None])
async def test_a_lease_has_a_bounded_time(served: httpx.AsyncClient, seconds: Any) -> None:
    body = {"version": "2", "lease_seconds": seconds}
    response = await served.post("/rollout/swap", json=body, headers=AUTHORIZED)
    (error,) = assert_problem(response, 422, "invalid-input")["errors"]
    assert error["field"] == "lease_seconds"


async def test_what_cannot_be_rolled_out_is_refused_with_the_reason(
    served: httpx.AsyncClient, registry: Any, damaged: Path
) -> None:
    registry.folders["4"] = damaged
    for step in ("stage", "swap"):
        for version, slug in (("4", "damaged-bundle"), ("9", "version-not-found")):
            response = await served.post(f"/rollout/{step}", json={"version": version}, headers=AUTHORIZED)
            assert_problem(response, 409, slug)
    assert (await served.get("/model")).json()["version"] == "1"


@pytest.mark.parametrize("most", ["0", "1001", "-1", "many", "1.5", "²"])
async def test_a_history_has_a_bounded_length(client: httpx.AsyncClient, most: str) -> None:
    (error,) = assert_problem(await client.get("/model/history", params={"most": most}), 422, "invalid-input")["errors"]
    assert error["field"] == "most"


async def test_without_a_warehouse_there_is_no_history(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.get("/model/history"), 503, "ledger-unreachable")
    assert "SERVING_WAREHOUSE_URL" in problem["detail"]


async def test_model_tells_what_is_served(served: httpx.AsyncClient, bundles: dict[str, Path]) -> None:
    model = (await served.get("/model")).json()
    contract = Contract.from_json((bundles["1"] / "contract.json").read_bytes())
    assert (model["name"], model["version"], model["run_id"]) == ("bike-demand", "1", "run-1")
    assert model["metrics"] == {"holdout_rmse": 1.0}
    assert (model["digest"], model["alias"], model["refused"]) == (contract.digest, None, None)
    assert [(worker["version"], worker["generation"]) for worker in model["workers"]] == [("1", 1)]
    assert Contract.model_validate(model["contract"]) == contract


async def test_a_failure_of_the_service_tells_no_details(
    served: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("internal wiring")

    monkeypatch.setattr("serving.predictions.one", fail)
    assert "wiring" not in json.dumps(assert_problem(await served.post("/predict", json=ROW), 500, "internal-error"))


async def test_metrics_count_requests_rows_and_refusals(served: httpx.AsyncClient) -> None:
    await served.post("/predict", json=ROW)
    await served.post("/predict/batch", json={"rows": [ROW] * 3})
    await served.post("/predict", json={})
    await served.get("/a/strangers/path")
    text = (await served.get("/metrics")).text
    for line in (
        'serving_requests_total{route="/predict",status="200"} 1.0',
        'serving_requests_total{route="/predict",status="422"} 1.0',
        'serving_requests_total{route="other",status="404"} 1.0',
        'serving_rows_total{route="/predict/batch"} 3.0',
        'serving_refused_total{reason="invalid-input"} 1.0',
        'serving_request_seconds_count{route="/predict"} 2.0',
        "serving_model_version 1.0",
        "serving_model_generation 1.0",
        'serving_workers{model="loaded"} 1.0',
    ):
        assert line in text


async def test_the_last_model_is_served_at_the_next_start_without_registry(
    settings: Settings, registry: Any, served: httpx.AsyncClient
) -> None:
    before = (await served.post("/predict", json=ROW)).json()
    registry.reachable = False
    async with listening(settings, registry) as address, asking(address) as client:
        after = (await client.post("/predict", json=ROW)).json()
    assert after["prediction"] == before["prediction"]


async def test_openapi_describes_the_served_model_and_its_examples_work(served: httpx.AsyncClient) -> None:
    document = (await served.get("/openapi.json")).json()
    for path in ("/predict", "/predict/batch"):
        call = document["paths"][path]["post"]
        body = call["requestBody"]["content"]["application/json"]
        jsonschema.validate(body["example"], {**body["schema"], **_components(document)})
        response = await served.post(path, json=body["example"])
        answer = call["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(response.json(), {**answer, **_components(document)})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**ROW, "station": 99}, {**document["components"]["schemas"]["Row"]})
    assert document["components"]["schemas"]["Prediction"]["properties"]["unit"] == {"const": "bike"}


async def test_the_page_works_behind_a_proxy_that_takes_the_beginning_of_a_path_off(
    settings: Settings, registry: Any
) -> None:
    below = settings.model_copy(update={"root_path": "/rides/duration"})
    async with listening(below, registry) as address, asking(address) as client:
        assert (await client.get("/")).headers["location"] == "/rides/duration/docs"
        page = (await client.get("/docs")).text
        links = re.findall(r"""(?:href|src)="(/[^"]*)"|url: '([^']*)'""", page)
        asked = [link or url for link, url in links]
        assert len(asked) >= 4
        for path in asked:
            assert path.startswith("/rides/duration/")
            assert (await client.get(path.removeprefix("/rides/duration"))).status_code == 200, path
        # where the page sends what is tried out there
        assert (await client.get("/openapi.json")).json()["servers"] == [{"url": "/rides/duration"}]


async def test_openapi_is_true_of_the_other_calls(client: httpx.AsyncClient) -> None:
    before = (await client.get("/openapi.json")).json()
    assert before["components"]["schemas"]["Row"]["type"] == "object"
    assert before["paths"]["/reload"]["post"]["security"] == [{"reloadToken": []}]
    calls = [
        ("post", "/reload", {"version": 1}),
        ("get", "/model", None),
        ("post", "/predict", {}),
        ("get", "/nope", 0),
    ]
    for method, path, body in calls[:3]:
        response = await client.request(method, path, json=body, headers=AUTHORIZED)
        described = before["paths"][path][method]["responses"][str(response.status_code)]["content"]
        media_type = response.headers["Content-Type"].partition(";")[0]
        jsonschema.validate(response.json(), {**described[media_type]["schema"], **_components(before)})


async def test_the_docs_page_takes_all_its_files_from_the_service(client: httpx.AsyncClient) -> None:
    page = await client.get("/", follow_redirects=True)
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.status_code == 200
    assert len(needed) >= 3
    assert {(await client.get(path)).status_code for path in needed} == {200}
    assert "https://" not in page.text


def _components(document: dict[str, Any]) -> dict[str, Any]:
    return {"components": document["components"]}
