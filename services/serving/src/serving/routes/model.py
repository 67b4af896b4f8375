"""What is served, and the call that changes it."""

import hmac
from typing import Annotated, Any

from contract import FieldProblem, InvalidInput
from contract.errors import BadJson
from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from serving.coordinator import Coordinator
from serving.description import Describer
from serving.errors import NotAuthorized
from serving.exchange import Memory, answer, check_json, read_body

MOST_BYTES = 1024
"""Of a reload's body."""

VERSION_ALLOWED = "a version's number, from 1, as a number or a text"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ReloadRequest(BaseModel):
    """Body of ``/reload``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Annotated[str, BeforeValidator(_as_text), StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")] | None = None
    """None: the one that the alias points to."""


def router(coordinator: Coordinator, describer: Describer, memory: Memory, token: SecretStr) -> APIRouter:
    routes = APIRouter()

    @routes.get("/model")
    async def model() -> Response:
        return answer(await describer.describe())

    @routes.post("/reload")
    async def reload(request: Request) -> Response:
        _authorize(request, token)
        check_json(request)
        with memory.held() as held:
            wanted = _parse(await read_body(request, MOST_BYTES, held)).version
        swapped = await (coordinator.serve_version(wanted) if wanted else coordinator.serve_champion())
        return answer(
            {
                "from": swapped.before.version,
                "to": swapped.after.version,
                "generation": swapped.after.generation,
                "workers": [status.model_dump() for status in swapped.workers],
            }
        )

    return routes


def _authorize(request: Request, token: SecretStr) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())
    if scheme.lower() != "bearer" or not right:
        raise NotAuthorized("the bearer token is wrong" if given else "the bearer token is missing")


def _parse(body: bytes) -> ReloadRequest:
    if not body.strip():
        return ReloadRequest()
    try:
        return ReloadRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            raise BadJson("the body is not a JSON object") from None
        name = str(first["loc"][0])
        if name != "version":
            raise InvalidInput([FieldProblem(name, "is not a field of this call", "version")]) from None
        raise InvalidInput([FieldProblem(name, f"is {first['input']!r}", VERSION_ALLOWED)]) from None
