"""What clients say came true of what was predicted."""

import re
from itertools import islice
from math import isfinite
from typing import Any

import orjson
from contract import FieldProblem, InvalidInput
from contract.rows import MOST_PROBLEMS

from serving.calls import Answer, Call
from serving.protocols.bodies import decode, encode, whole
from serving.recorder.lines import Outcome

_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
ALLOWED = {
    "prediction_id": "the id that came with the prediction, 32 hexadecimal digits",
    "actual": "a finite number, in the unit of the prediction",
}


def check(call: Call) -> Answer:
    """The outcomes of a long body, for ``checked``. Raises what ``parse`` does, and BodyTooLarge."""
    return Answer(encode(parse(whole(call), call.limits.rows)))


def checked(answer: bytes) -> list[Outcome]:
    """What ``check`` answered."""
    return [(name, actual) for name, actual in orjson.loads(answer)]


def parse(body: bytes, most: int) -> list[Outcome]:
    """``{"prediction_id", "actual"}``, or many of them as ``{"outcomes": [...]}``.

    Raises:
        BadJson, InvalidInput: it is something else; what is wrong is named, up to a hundred problems.
    """
    document = decode(body)
    if "outcomes" not in document:
        return _checked([document], numbered=False)
    listed = document["outcomes"]
    allowed = f"a list of 1 to {most} objects with prediction_id and actual"
    if not isinstance(listed, list) or not 1 <= len(listed) <= most:
        found = f"has {len(listed)} entries" if isinstance(listed, list) else f"is {_shown(listed)}"
        raise InvalidInput([FieldProblem("outcomes", found, allowed)])
    if len(document) > 1:
        other = next(name for name in document if name != "outcomes")
        raise InvalidInput([FieldProblem(other, "is not a field of this call", "outcomes")])
    return _checked(listed, numbered=True)


def _checked(listed: list[Any], *, numbered: bool) -> list[Outcome]:
    problems: list[FieldProblem] = []
    for number, entry in enumerate(listed):
        problems += _problems(entry, number if numbered else None)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise InvalidInput(problems[:MOST_PROBLEMS])
    return [(entry["prediction_id"], float(entry["actual"])) for entry in listed]


def _problems(entry: Any, row: int | None) -> list[FieldProblem]:
    if not isinstance(entry, dict):
        return [FieldProblem("outcomes", f"is {_shown(entry)}", "an object with prediction_id and actual", row=row)]
    found = [
        FieldProblem(name, "is not a field of this call", ", ".join(ALLOWED), row=row)
        for name in islice((name for name in entry if name not in ALLOWED), MOST_PROBLEMS)
    ]
    for name, allowed in ALLOWED.items():
        if name not in entry:
            found.append(FieldProblem(name, "is missing", allowed, row=row))
        elif not _IS[name](entry[name]):
            found.append(FieldProblem(name, f"is {_shown(entry[name])}", allowed, row=row))
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(float(value))
    except OverflowError:
        return False


_IS = {"prediction_id": _is_id, "actual": _is_finite}


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):  # of any size
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value[:100] if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
