"""The service's own JSON: one row, or many."""

from contract import FieldProblem, InvalidInput
from contract.booster import LoadedModel
from contract.features import Matrix

from serving import predictions, problems
from serving.calls import Answer, Call
from serving.observe.ids import new_id
from serving.predictions import Served
from serving.protocols import row_columns, values
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

    The id of a row's prediction is the batch's with the row's number, from 0, as its last eight hexadecimal digits.

    Raises:
        BadJson, InvalidInput: the contract refuses a row, or there are too many.
        BodyTooLarge, NotFinite: see there.
    """
    model = served.model
    features = _features(model, whole(call), call.limits.rows)
    found = outcome(model, features)
    answer = {
        "batch_id": new_id(),
        "predictions": found.predictions,
        "unit": model.contract.output.unit,
        "intervals": found.intervals,
        "model": served.label,
    }
    return Answer(encode(answer), rows=len(features))


def _features(model: LoadedModel, body: bytes, most_rows: int) -> Matrix:
    columns = row_columns.of_body(model.contract, body)
    if columns is not None:
        _check_length(len(next(iter(columns.values()))), most_rows)
        features = values.fast(model.contract, columns)
        if features is not None:
            return features
    # row by row: slower by half, and it knows what is wrong
    rows = model.rows.parse_batch(body, most_rows)
    _check_length(len(rows), most_rows)
    return model.contract.compiled.rows(rows)


def _check_length(rows: int, most: int) -> None:
    if rows > most:
        raise InvalidInput([FieldProblem("rows", f"has {rows} rows", f"a list of 1 to {most} row objects")])


def refusal(error: Exception) -> Answer:
    """An error as problem details (RFC 9457)."""
    problem = problems.of_error(error)
    return Answer(
        encode(problem.document()), problems.MEDIA_TYPE, problem.status, problem.headers, refusal=problem.slug
    )
