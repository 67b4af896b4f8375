"""Errors as HTTP answers: RFC 9457 problem details. The one place where the two meet."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from contract import FieldProblem, InvalidInput
from contract.errors import BadJson
from starlette.requests import ClientDisconnect

from serving import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:roundhouse:problem:"


@dataclass(frozen=True)
class Problem:
    """A problem details object."""

    slug: str
    """Ends the type's URI; stable, for programs."""
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()
    """Of input that was refused: every field's problem."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        listed = [{name: value for name, value in asdict(e).items() if value is not None} for e in self.errors]
        document = {"type": TYPE_PREFIX + self.slug, "title": self.title, "status": self.status, "detail": self.detail}
        return {**document, "errors": listed} if listed else document


class TurnedAway(Exception):
    """The client's connection was ended with this problem while the application still waited for the request."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


KINDS: Mapping[type[Exception], tuple[int, str, str]] = {
    BadJson: (400, "bad-json", "The body isn't a JSON object"),
    ClientDisconnect: (400, "client-left", "The client left before its body ended"),
    errors.NotAuthorized: (401, "not-authorized", "The call needs its bearer token"),
    errors.BadSignature: (401, "bad-signature", "The call needs the registry's signature"),
    errors.BodyTooLarge: (413, "body-too-large", "The body is too large"),
    errors.NotJson: (415, "not-json", "The body isn't JSON"),
    errors.BadArrow: (400, "bad-arrow", "The body isn't an Arrow stream"),
    errors.BadTable: (400, "bad-table", "The body has no table"),
    errors.BadTensor: (400, "bad-tensor", "The tensors aren't the model's"),
    errors.NoSuchModel: (404, "no-such-model", "There is no such model"),
    errors.UnknownMedia: (415, "unknown-media", "The content type isn't known"),
    InvalidInput: (422, "invalid-input", "The input isn't what the model takes"),
    errors.NoChampion: (409, "no-champion", "The registry names no version to serve"),
    errors.VersionNotFound: (409, "version-not-found", "There is no such version"),
    errors.NoContract: (409, "no-contract", "The model has no contract"),
    errors.DamagedBundle: (409, "damaged-bundle", "The model is damaged"),
    errors.WrongModel: (409, "wrong-model", "The model is another one"),
    errors.UnreadableLocation: (409, "unreadable-location", "The model's files can't be had"),
    errors.NoLease: (409, "no-lease", "There is no such lease"),
    errors.SwapInProgress: (409, "swap-in-progress", "Another swap is under way"),
    errors.SwapFailed: (409, "swap-failed", "Not every worker could take the model"),
    errors.Refused: (409, "refused", "The model was refused"),
    errors.RegistryUnreachable: (502, "registry-unreachable", "The registry can't be reached"),
    errors.LedgerUnreachable: (503, "ledger-unreachable", "The ledger of rollouts can't be read"),
    errors.NotFinite: (500, "not-finite", "The model gave no number"),
    errors.NoModel: (503, "no-model", "No model is loaded"),
    errors.Overloaded: (503, "overloaded", "The service has too much to do"),
    errors.BatchFailed: (503, "batch-failed", "The batch was not done"),
    errors.NotRecorded: (503, "not-recorded", "The outcome can't be kept"),
    errors.StoreFailed: (507, "store-failed", "The model store can't be written"),
}


def of_error(error: Exception) -> Problem:
    """The problem that an error is; the most specific kind counts, and an unknown one is the service's own fault."""
    if isinstance(error, TurnedAway):
        return error.problem
    kind = next((KINDS[base] for base in type(error).__mro__ if base in KINDS), None)
    if kind is None:
        return Problem("internal-error", "The service failed", 500, "The service's log has the details.")
    status, slug, title = kind
    found = error.problems if isinstance(error, InvalidInput) else ()
    return Problem(slug, title, status, str(error), found, _headers(error))


def of_status(status: int, detail: str, headers: Mapping[str, str]) -> Problem:
    """The problem of a call that no route takes, such as 404 and 405."""
    phrase = HTTPStatus(status).phrase
    return Problem(phrase.lower().replace(" ", "-"), phrase, status, detail, headers=headers)


def _headers(error: Exception) -> Mapping[str, str]:
    match error:
        case errors.NotAuthorized():
            return {"WWW-Authenticate": 'Bearer realm="serving"'}
        case errors.BadSignature():
            return {"WWW-Authenticate": 'HMAC-SHA256 realm="serving"'}
        case errors.Overloaded() | errors.BatchFailed():
            return {"Retry-After": "1"}
        case errors.NoModel():
            return {"Retry-After": "2"}
        case _:
            return {}
