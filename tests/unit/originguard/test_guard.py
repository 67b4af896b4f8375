"""Who gets in to a server that has no login: programs, its own pages, and links."""

from typing import Any

import pytest
from originguard import OriginGuard, listed

HOST = ("host", "127.0.0.1:4200")
LINK = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


async def answer(*headers: tuple[str, str], method: str = "GET", kind: str = "http") -> list[dict[str, Any]]:
    """What is sent back to a request with these headers."""
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": f"{kind}.response.start", "status": 200, "headers": [(b"x-app", b"yes")]})

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is to be read")

    async def send(message: Any) -> None:
        sent.append(dict(message))

    guard = OriginGuard(application, listed("localhost:*, 127.0.0.1:*,*.team.example"), ["https://App.example"])
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await guard({"type": kind, "method": method, "headers": raw}, receive, send)
    return sent


async def passes(*headers: tuple[str, str], method: str = "GET") -> bool:
    (first, *_) = await answer(*headers, method=method)
    assert first["status"] in (200, 403)
    return bool(first["status"] == 200)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4200", "127.0.0.1", "localhost:9", "LOCALHOST:4200", "prefect.team.example", "a.b.team.example"]
)
async def test_a_program_passes_that_knows_the_server_s_name(host: str) -> None:
    assert await passes(("host", host), method="POST")


@pytest.mark.parametrize(
    "host",
    [
        *["evil.example", "evil.example:4200", "localhost.evil.example:4200", "team.example.evil.example"],
        *["", "127.0.0.2", "localhost:", "localhost:4200.evil.example", "localhost:1@evil.example", "localhost:*"],
        *["[localhost:1", "localhost:4200, evil.example", "localhost:4200/..", "evil.example/.team.example"],
    ],
)
async def test_no_other_name_of_a_server_is_answered(host: str) -> None:
    assert not await passes(("host", host))


async def test_a_request_has_one_name_of_a_server() -> None:
    assert not await passes()
    assert not await passes(HOST, ("host", "evil.example"))
    assert not await passes(HOST, HOST)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:4200", "127.0.0.1:4200"),
        ("HTTP://LocalHost:4200", "localhost:4200"),
        ("https://prefect.team.example", "prefect.team.example"),  # behind what ends TLS
        ("https://localhost", "localhost:443"),
        ("https://app.example", "127.0.0.1:4200"),  # named
    ],
)
async def test_the_server_s_own_pages_and_those_that_are_named_pass(origin: str, host: str) -> None:
    assert await passes(("host", host), ("origin", origin), ("sec-fetch-site", "same-site"), method="POST")


@pytest.mark.parametrize(
    "origin",
    [
        *["http://evil.example", "http://localhost:4200", "http://127.0.0.1:5000", "http://127.0.0.1", "null", ""],
        *["http://127.0.0.1:4200.evil.example", "http://127.0.0.1:4200@evil.example", "file://127.0.0.1:4200"],
        *["http://app.example", "https://app.example:8443", "https://evil.app.example", "127.0.0.1:4200"],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_pages_of_other_origins_get_nothing(origin: str, method: str) -> None:
    assert not await passes(HOST, ("origin", origin), method=method)


async def test_one_origin_among_several_is_enough_to_be_refused() -> None:
    assert not await passes(HOST, ("origin", "http://127.0.0.1:4200"), ("origin", "http://evil.example"))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_may_be_followed_and_no_more(site: str) -> None:
    from_elsewhere = ("sec-fetch-site", site)
    assert await passes(HOST, from_elsewhere, *LINK)
    assert not await passes(HOST, from_elsewhere, *LINK, method="POST")
    for mode, dest in [("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty")]:
        assert not await passes(HOST, from_elsewhere, ("sec-fetch-mode", mode), ("sec-fetch-dest", dest))
    for own in ("same-origin", "none"):
        assert await passes(HOST, ("sec-fetch-site", own), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"))


async def test_the_refusal_says_why_as_a_problem() -> None:
    start, body = await answer(HOST, ("origin", "http://evil.example"))
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert b"Pages of http://evil.example may not ask this server." in body["body"]


async def test_a_websocket_of_another_origin_is_closed_before_it_is_open() -> None:
    assert await answer(HOST, ("origin", "http://evil.example"), kind="websocket") == [
        {"type": "websocket.close", "code": 1008, "reason": "Pages of http://evil.example may not ask this server."}
    ]
    assert (await answer(HOST, ("origin", "http://127.0.0.1:4200"), kind="websocket"))[0]["status"] == 200


async def test_no_other_origin_s_page_shows_an_answer_in_a_frame() -> None:
    (start,) = await answer(HOST)
    assert start["headers"] == [(b"x-app", b"yes"), (b"x-frame-options", b"SAMEORIGIN")]


async def test_what_is_no_request_goes_by() -> None:
    (start,) = await answer(kind="lifespan")
    assert start["headers"] == [(b"x-app", b"yes")]
