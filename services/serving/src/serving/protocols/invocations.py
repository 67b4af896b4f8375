"""MLflow's scoring protocol, as ``mlflow models serve`` speaks it."""

from collections.abc import Mapping

from contract import FieldProblem, InvalidInput

from serving import problems
from serving.calls import Answer, Call
from serving.errors import UnknownMedia
from serving.predictions import Served
from serving.protocols import frames, frames_csv
from serving.protocols.bodies import encode, whole
from serving.protocols.outcomes import outcome

VERSION = "3.17.2"
"""The release of MLflow whose protocol this is; ``/version`` answers it as text."""

ERROR_CODES: Mapping[int, str] = {
    404: "RESOURCE_DOES_NOT_EXIST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's names of the errors that aren't the caller's."""


def invocations(served: Served, call: Call) -> Answer:
    """A table to ``{"predictions": [...]}``, in its order.

    Raises:
        UnknownMedia, BodyTooLarge, BadJson, BadTable: the body isn't a table.
        InvalidInput: the contract refuses a value, or there are too many rows.
        NotFinite: see there.
    """
    read = {"application/json": frames.features, "text/csv": frames_csv.features}[media_type(call)]
    features = read(served.model, whole(call), call.limits.rows)
    rows = len(features)
    if not 1 <= rows <= call.limits.rows:
        raise InvalidInput([FieldProblem("rows", f"has {rows} rows", f"a table of 1 to {call.limits.rows} rows")])
    found = outcome(served.model, features)
    return Answer(encode({"predictions": found.predictions}), rows=rows)


def media_type(call: Call) -> str:
    """``application/json`` or ``text/csv``. Raises UnknownMedia."""
    given = call.headers.get("content-type", "")
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    if name not in ("application/json", "text/csv"):
        raise UnknownMedia(f"the content type is {given!r}; allowed: application/json, text/csv")
    for parameter in filter(None, parameters):
        key, _, value = parameter.partition("=")
        if key.strip() != "charset" or value.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnknownMedia(f"the content type is {given!r}; its one parameter may be charset=utf-8")
    return name


def refusal(error: Exception) -> Answer:
    """An error as MLflow gives it; what is wrong with the input has status 400 there."""
    problem = problems.of_error(error)
    status = 400 if problem.status == 422 else problem.status
    code = ERROR_CODES.get(status, "BAD_REQUEST")
    message = f"{problem.title}: {problem.detail}"
    return Answer(
        encode({"error_code": code, "message": message}),
        status=status,
        headers=problem.headers,
        refusal=problem.slug,
    )
