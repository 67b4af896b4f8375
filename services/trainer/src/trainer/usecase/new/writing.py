"""A declaration as text, with everything that was guessed spelt out."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from trainer.usecase.declaration import Files
from trainer.usecase.new.decision import Decided, Decision, example_of, range_of, vocabulary
from trainer.usecase.new.profile import Profile

HEADER = "# yaml-language-server: $schema=../usecase.schema.json"
WIDTH = 118
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_./-]|[A-Za-z_]", re.ASCII)
RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}


def written(name: str, source: Files, decision: Decision) -> str:
    """The text of ``usecase.yaml``."""
    return "\n".join([*_lines(name, source, decision), ""])


def _lines(name: str, source: Files, decision: Decision) -> Iterator[str]:
    target, time = decision.target, decision.time
    yield HEADER
    yield f"name: {name}"
    yield f"description: {scalar(f'What {target.name} is, from {len(decision.fields)} fields.')}"
    yield "task: regression"
    yield ""
    yield "sources:"
    yield "  files:"
    yield from (f"    {line}" for line in _source(source))
    yield ""
    yield "table:"
    if time is not None:
        yield f"  time: {scalar(time.name)}  # {_span(time)}"
        if _zoned(decision):
            yield "  timezone: UTC  # whose clock the times show; those with an offset become its"
    yield f"  period: {decision.period}  # what is loaded, replaced and judged together"
    if decision.key:
        yield f"  key: [{', '.join(map(scalar, decision.key))}]"
    yield "  columns:"
    for column in decision.columns:
        yield from _wrapped(f"    {scalar(column.profile.name)}: ", _column(column.profile), _seen(column))
    yield "  reject: {}  # reason: SQL over the columns; such rows can't be true and are kept apart"
    yield "  leave_out: {}  # likewise; such rows are true, but nothing to learn from"
    yield ""
    bound = {"minimum": 0} if target.low is not None and target.low >= 0 else {}
    yield f"target: {flow({'column': target.name, 'unit': '', **bound})}"
    yield ""
    yield "fields:  # what a request has: all that is known when a prediction is asked for, and nothing else"
    for profile in decision.fields:
        yield from _wrapped(f"  {scalar(profile.name)}: ", _field(profile), "")
    yield ""
    yield "features: auto"
    yield f"judge: {flow(_judge(decision))}"
    yield f"train: {flow({'last': 12} if decision.period != 'all' else {})}"
    yield "ingest: {}"


def _source(source: Files) -> Iterator[str]:
    given = source.model_dump(exclude_defaults=True)
    for key, value in given.items():
        yield f"{key}: {scalar(value) if isinstance(value, str) else flow(value)}"
    if "missing" not in given and (source.format or "csv") in {"csv", "json"}:
        yield f"missing: {flow(source.missing)}"


def _judge(decision: Decision) -> Mapping[str, Any]:
    return {"holdout": 1} if decision.period != "all" else {"share": 0.2}


def _column(profile: Profile) -> Mapping[str, Any]:
    found: dict[str, Any] = {"type": profile.type}
    if profile.format:
        found["format"] = profile.format
    if profile.words:
        found["missing"] = list(profile.words)
    return found


def _field(profile: Profile) -> Mapping[str, Any]:
    found: dict[str, Any] = {"type": _kind(profile)}
    if profile.present < profile.rows:
        found["required"] = False
    if profile.type in {"number", "integer"}:
        low, high = range_of(profile)
        whole = profile.type == "integer"
        if low is not None and high is not None:
            found["minimum"], found["maximum"] = (int(low), int(high)) if whole else (_short(low), _short(high))
    elif profile.type == "boolean":
        found["minimum"], found["maximum"] = 0, 1
    example = example_of(profile)
    if example is not None:
        found["example"] = example.isoformat() if isinstance(example, datetime) else example
    if profile.type == "text":
        # last, since it is the longest
        found["values"] = vocabulary(profile)
        if found.get("example") not in found["values"]:
            found["example"] = found["values"][0]
    return found


def _kind(profile: Profile) -> str:
    return {"text": "category", "boolean": "integer"}.get(profile.type, profile.type)


def _short(value: float) -> float | int:
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _seen(column: Decided) -> str:
    profile = column.profile
    parts = []
    if column.use == "left out":
        parts.append(f"no field: {column.why}")
    elif column.use in {"target", "key"}:
        parts.append(f"the {column.use}")
    if profile.low is not None and profile.high is not None and profile.type != "timestamp":
        parts.append(f"{profile.low:g} to {profile.high:g}")
    if profile.missing_share:
        parts.append(f"{profile.missing_share:.1%} missing")
    return "; ".join(parts)


def _span(time: Profile) -> str:
    return f"when the event begins; from {time.earliest:%Y-%m-%d} to {time.latest:%Y-%m-%d}"


def _zoned(decision: Decision) -> bool:
    return any(column.profile.offset for column in decision.columns)


def _wrapped(start: str, values: Mapping[str, Any], comment: str) -> Iterator[str]:
    line = f"{start}{flow(values)}"
    if len(line) <= WIDTH:
        yield f"{line}  # {_one_line(comment)}" if comment else line
        return
    indent = " " * (len(start) - len(start.lstrip()) + 2)
    yield f"{start.rstrip()}{f'  # {_one_line(comment)}' if comment else ''}"
    for key, value in values.items():
        if not isinstance(value, list) or len(f"{indent}{key}: {flow(value)}") <= WIDTH:
            yield f"{indent}{key}: {flow(value)}"
            continue
        yield f"{indent}{key}: ["
        yield from _filled(value, f"{indent}  ")
        yield f"{indent}]"


def _filled(values: Sequence[Any], indent: str) -> Iterator[str]:
    line = indent
    for value in values:
        piece = f"{flow(value)}, "
        if len(line) + len(piece) > WIDTH and line.strip():
            yield line.rstrip()
            line = indent
        line += piece
    yield line.rstrip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A text, number or boolean; a text in quotes where YAML could take it for something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and value.lower() not in RESERVED:
        return value
    # JSON's texts are YAML's, too, but for these
    return (
        json.dumps(value, ensure_ascii=False)
        .replace("\x85", "\\u0085")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
