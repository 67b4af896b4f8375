"""What MLflow's webhook tells the service, and what is said in its name by others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from serving.deliveries import Deliveries
from serving.errors import BadSignature
from serving.settings import Settings
from serving_servers import asking, bike_settings, listening
from webhook_deliveries import PATH, event, seconds_from_now, signed

SECRET = "a-secret-for-tests"
OURS = event("bike-demand")
FOREVER = 3600.0
"""Seconds between polls, so that only what is told can make the service look."""


@pytest.fixture
def settings(tmp_path: Path, run_dir: Path) -> Settings:
    return bike_settings(tmp_path, run_dir, poll_seconds=FOREVER, webhook_secret=SecretStr(SECRET))


@pytest.fixture
async def client(settings: Settings, registry: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that serves version 1, which the alias points to."""
    registry.alias = "1"
    async with listening(settings, registry) as address, asking(address) as found:
        await until_served(found, "1")
        yield found


async def served(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/model")
    found: dict[str, Any] = response.json() if response.is_success else {"version": None}
    return found


async def until_served(client: httpx.AsyncClient, version: str) -> None:
    async with asyncio.timeout(20):
        while (await served(client))["version"] != version:  # noqa: ASYNC110  it is another program's state
            await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  it is the registry's own count
            await asyncio.sleep(0.01)


async def assert_nothing_was_done(client: httpx.AsyncClient, registry: Any, before: int) -> None:
    """The service still serves version 1, and its next look, which it is told to take, is the only one."""
    assert (await served(client))["generation"] == 1
    await client.post(PATH, **signed(OURS, SECRET))
    await until(lambda: registry.looks > before)
    assert registry.looks == before + 1


async def metrics(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


async def test_a_moved_alias_is_followed_at_once(client: httpx.AsyncClient, registry: Any) -> None:
    registry.alias = "2"
    response = await client.post(PATH, **signed(OURS, SECRET))
    assert (response.status_code, response.json()) == (202, {"follows": True})
    await until_served(client, "2")
    assert 'serving_registry_events_total{outcome="followed"} 1.0' in await metrics(client)


async def test_an_alias_that_was_taken_away_is_noticed(client: httpx.AsyncClient, registry: Any) -> None:
    before, registry.alias = registry.looks, None
    await client.post(PATH, **signed(event("bike-demand", action="deleted"), SECRET))
    await until(lambda: registry.looks > before)
    assert (await served(client))["version"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-MLflow-Signature", b""),
        ("X-MLflow-Signature", b"v1,"),
        ("X-MLflow-Signature", b"v1,\xff"),
        ("X-MLflow-Signature", b"v2,AAAA v1,AAAA"),
        ("X-MLflow-Delivery-Id", b"another"),
        ("X-MLflow-Timestamp", b"1700000000"),
        ("X-MLflow-Timestamp", b"\xb2"),
    ],
)
async def test_a_delivery_with_a_header_that_is_not_its_own_is_refused(
    client: httpx.AsyncClient, registry: Any, name: str, value: bytes
) -> None:
    before = registry.looks
    delivery = signed(OURS, SECRET)
    assert_refused(await client.post(PATH, content=OURS, headers={**delivery["headers"], name: value}))
    await assert_nothing_was_done(client, registry, before)
    assert 'serving_refused_total{reason="bad-signature"} 1.0' in await metrics(client)


async def test_another_secret_and_another_body_are_refused(client: httpx.AsyncClient, registry: Any) -> None:
    before = registry.looks
    assert_refused(await client.post(PATH, **signed(OURS, "guessed")))
    assert_refused(await client.post(PATH, **signed(OURS, "")))
    assert_refused(await client.post(PATH, **signed(OURS, SECRET) | {"content": event("bike-demand", "challenger")}))
    assert_refused(await client.post(PATH, content=OURS, headers={"Content-Type": "application/json"}))
    await assert_nothing_was_done(client, registry, before)


@pytest.mark.parametrize("signed_at", [-900, 900, "", "soon", "-5", "1e9", "9" * 5000])
async def test_what_was_signed_at_another_time_or_at_none_is_refused(
    client: httpx.AsyncClient, registry: Any, signed_at: int | str
) -> None:
    timestamp = seconds_from_now(signed_at) if isinstance(signed_at, int) else signed_at
    before = registry.looks
    response = await client.post(PATH, **signed(OURS, SECRET, timestamp))
    assert_refused(response)
    assert "more than 300 s from now" in response.json()["detail"]
    await assert_nothing_was_done(client, registry, before)


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_clocks_may_differ_by_five_minutes(seconds: int, taken: bool) -> None:
    deliveries = Deliveries(SecretStr(SECRET), "bike-demand", "champion")
    now = 1_800_000_000.0
    delivery = signed(OURS, SECRET, str(int(now) + seconds))
    with nullcontext() if taken else pytest.raises(BadSignature):
        deliveries.check(httpx.Headers(delivery["headers"]), OURS.encode(), now)


async def test_a_delivery_that_is_repeated_only_has_the_service_look_again(
    client: httpx.AsyncClient, registry: Any
) -> None:
    delivery, before = signed(OURS, SECRET), registry.looks
    for _ in range(3):
        assert (await client.post(PATH, **delivery)).status_code == 202
    await until(lambda: registry.looks > before)
    assert (await served(client))["generation"] == 1


async def test_one_of_several_signatures_will_do(client: httpx.AsyncClient, registry: Any) -> None:
    registry.alias = "2"
    delivery = signed(OURS, SECRET)
    delivery["headers"]["X-MLflow-Signature"] = f"v1,AAAA {delivery['headers']['X-MLflow-Signature']}"
    assert (await client.post(PATH, **delivery)).status_code == 202
    await until_served(client, "2")


@pytest.mark.parametrize(
    "body",
    [
        event("car-demand"),
        event("bike-demand", alias="challenger"),
        event("bike-demand", entity="prompt_alias"),
        event("example_model", alias="example_alias"),  # MLflow's test of a webhook
        '{"entity": "model_version_alias", "data": ["bike-demand", "champion"]}',
        "{}",
    ],
)
async def test_what_concerns_others_is_taken_and_ignored(client: httpx.AsyncClient, registry: Any, body: str) -> None:
    before = registry.looks
    response = await client.post(PATH, **signed(body, SECRET))
    assert (response.status_code, response.json()) == (202, {"follows": False})
    await assert_nothing_was_done(client, registry, before)
    assert 'serving_registry_events_total{outcome="ignored"} 1.0' in await metrics(client)


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "null"])
async def test_a_signed_body_that_is_no_json_object_is_refused(client: httpx.AsyncClient, body: str) -> None:
    assert_problem(await client.post(PATH, **signed(body, SECRET)), 400, "bad-json")


async def test_a_body_of_another_kind_or_length_is_refused_unread(client: httpx.AsyncClient) -> None:
    delivery = signed(OURS, SECRET)
    delivery["headers"]["Content-Type"] = "text/plain"
    assert_problem(await client.post(PATH, **delivery), 415, "not-json")
    assert_problem(await client.post(PATH, **signed("{" + " " * 16_384, SECRET)), 413, "body-too-large")


async def test_names_as_long_as_they_may_be_fit(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, **signed(event("\u00e4" * 256, alias="\u00e4" * 255), SECRET))
    assert response.status_code == 202


async def test_many_at_once_make_few_looks(client: httpx.AsyncClient, registry: Any) -> None:
    before, registry.alias = registry.looks, "2"
    answers = await asyncio.gather(*[client.post(PATH, **signed(OURS, SECRET)) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {202}
    await until_served(client, "2")
    # the swap itself asks once more
    assert registry.looks - before <= 6


async def test_the_page_tells_of_it(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    assert list(page["paths"][PATH]) == ["post"]
    assert page["components"]["securitySchemes"]["registrySignature"]["name"] == "X-MLflow-Signature"


async def test_without_a_secret_there_is_no_such_call(settings: Settings, registry: Any) -> None:
    registry.alias = "1"
    chosen = settings.model_copy(update={"webhook_secret": SecretStr("")})
    async with listening(chosen, registry) as address, asking(address) as client:
        for secret in ("", SECRET):
            assert_problem(await client.post(PATH, **signed(OURS, secret)), 404, "not-found")
        page = (await client.get("/openapi.json")).json()
        assert PATH not in page["paths"]
        assert list(page["components"]["securitySchemes"]) == ["reloadToken"]


def assert_refused(response: httpx.Response) -> None:
    assert_problem(response, 401, "bad-signature")
    assert response.headers["WWW-Authenticate"]


def assert_problem(response: httpx.Response, status: int, slug: str) -> None:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, response.json()["type"]) == (status, f"urn:roundhouse:problem:{slug}")
