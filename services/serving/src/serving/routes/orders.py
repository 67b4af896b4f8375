"""What the operator's calls have in common: a bearer token, and a small JSON body."""

import hmac
from typing import Annotated, Any, TypeVar

from contract import FieldProblem, InvalidInput
from contract.errors import BadJson
from pydantic import BaseModel, BeforeValidator, SecretStr, StringConstraints, ValidationError
from starlette.requests import Request

from serving.errors import NotAuthorized
from serving.exchange import Memory, check_json, read_body

MOST_BYTES = 1024
"""Of a body."""


def _as_text(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int():
            return str(value)
        case float() if value.is_integer():  # a whole number too, in JSON Schema
            return str(int(value))
        case _:
            return value


Version = Annotated[str, BeforeValidator(_as_text), StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]
"""A registered version's number."""

ALLOWED = {
    "version": "a version's number, from 1, as a number or a text",
    "lease_seconds": "seconds, more than 0 and at most 3600",
}

Order = TypeVar("Order", bound=BaseModel)


class Orders:
    """Reads the calls of whoever has the token."""

    def __init__(self, memory: Memory, token: SecretStr) -> None:
        self._memory = memory
        self._token = token

    async def read(self, request: Request, kind: type[Order]) -> Order:
        """The body, an empty one as an empty object.

        Raises:
            NotAuthorized: the token is missing or wrong; nothing is read.
            NotJson, BodyTooLarge, BadJson, InvalidInput: the body is not what the call takes.
        """
        self._authorize(request)
        check_json(request)
        with self._memory.held() as held:
            return _parse(await read_body(request, MOST_BYTES, held), kind)

    def come_from_operator(self, request: Request) -> bool:
        """Whether a call that needs no token has it: then it is a check of the service and no traffic."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token.get_secret_value().encode())
        return right and scheme.lower() == "bearer"

    def _authorize(self, request: Request) -> None:
        if not self.come_from_operator(request):
            given = "authorization" in request.headers
            raise NotAuthorized("the bearer token is wrong" if given else "the bearer token is missing")


def _parse(body: bytes, kind: type[Order]) -> Order:
    try:
        return kind.model_validate_json(body if body.strip() else b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            raise BadJson("the body is not a JSON object") from None
        name = str(first["loc"][0])
        if name not in kind.model_fields:
            allowed = ", ".join(kind.model_fields)
            raise InvalidInput([FieldProblem(name, "is not a field of this call", allowed)]) from None
        problem = "is missing" if first["type"] == "missing" else f"is {first['input']!r}"
        raise InvalidInput([FieldProblem(name, problem, ALLOWED[name])]) from None
