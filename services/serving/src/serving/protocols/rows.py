"""The service's own JSON: one row, or many."""

from contract import FieldProblem, InvalidInput

from serving import predictions, problems
from serving.calls import Answer, Call
from serving.observe.ids import new_id
from serving.predictions import Served
from serving.protocols.bodies import encode, whole
from serving.protocols.explanations import explanation
from serving.protocols.outcomes import outcome


def predict_one(served: Served, call: Call) -> Answer:
    """One row to one prediction; with the option ``explain=true`` also what each field contributes to it.

    Raises:
        BadJson, InvalidInput: the contract refuses the row.
        BodyTooLarge, NotFinite: see there.
    """
    body = whole(call)
    if call.options.get("explain") != "true":
        return Answer(predictions.one(served, body), rows=1)
    model = served.model
    features = model.contract.row(model.rows.parse(body))
    found = outcome(model, features)
    answer = {
        "prediction_id": new_id(),
        "prediction": found.predictions[0],
        "unit": model.contract.output.unit,
        "interval": None if found.intervals is None else found.intervals[0],
        "model": served.label,
        "explanation": explanation(model, features),
    }
    return Answer(encode(answer), rows=1)


def predict_batch(served: Served, call: Call) -> Answer:
    """``{"rows": [...]}`` to as many predictions, in order, all from this model.

    Raises:
        BadJson, InvalidInput: the contract refuses a row, or there are too many.
        BodyTooLarge, NotFinite: see there.
    """
    model = served.model
    rows = model.rows.parse_batch(whole(call))
    most = call.limits.rows
    if len(rows) > most:
        raise InvalidInput([FieldProblem("rows", f"has {len(rows)} rows", f"a list of 1 to {most} row objects")])
    found = outcome(model, model.contract.compiled.rows(rows))
    answer = {
        "predictions": found.predictions,
        "unit": model.contract.output.unit,
        "intervals": found.intervals,
        "model": served.label,
    }
    return Answer(encode(answer), rows=len(rows))


def refusal(error: Exception) -> Answer:
    """An error as problem details (RFC 9457)."""
    problem = problems.of_error(error)
    return Answer(
        encode(problem.document()), problems.MEDIA_TYPE, problem.status, problem.headers, refusal=problem.slug
    )
