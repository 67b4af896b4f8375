"""A cell of a file as its column's type has it, in DuckDB's SQL: each by itself, null where it can't be read."""

from trainer.data.errors import DataError
from trainer.usecase.database import identifier, text
from trainer.usecase.declaration import EPOCHS, Column, Files
from trainer.usecase.expressions import SQL_TYPES

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
INTEGER = r"^[+-]?\d+(\.0*)?$"
OFFSET = r"\d\s*([zZ]|UTC|GMT|[+-]\d\d(:?\d\d)?)$"
BOOLEANS = {"true": ("true", "t", "yes", "y", "1"), "false": ("false", "f", "no", "n", "0")}


class ImpossibleColumn(DataError):
    """A column is of a type that its values can't be read from."""


def value_of(column: Column, spelling: str, kind: str, source: Files, zone: str | None) -> tuple[str, str]:
    """Two expressions: a cell's value, null where it can't be read, and whether the file has one at all.

    Args:
        spelling: the column's name in the file.
        kind: DuckDB's type of it there.
        zone: whose clock times show.

    Raises:
        ImpossibleColumn: no cell of it could be read.
    """
    name = identifier(spelling)
    if kind != "VARCHAR":
        return _cast(column, name, kind, zone, spelling), f"{name} IS NOT NULL"
    trimmed = f"trim({name})"
    missing = ", ".join(map(text, dict.fromkeys([*source.missing, *column.missing, ""])))
    given = f"({name} IS NOT NULL AND {trimmed} NOT IN ({missing}))"
    return f"CASE WHEN {given} THEN {_parsed(column, trimmed, source, zone)} END", given


def _parsed(column: Column, value: str, source: Files, zone: str | None) -> str:
    match column.type:
        case "text":
            # PostgreSQL's texts can't hold the character
            return f"replace({value}, chr(0), '')"
        case "boolean":
            lower = f"lower({value})"
            whens = (f"WHEN {lower} IN ({', '.join(map(text, texts))}) THEN {told}" for told, texts in BOOLEANS.items())
            return f"CASE {' '.join(whens)} END"
        case "timestamp":
            return _time(column, value, zone)
    number = f"replace(replace({value}, '.', ''), ',', '.')" if source.decimal == "," else value
    if column.type == "integer":
        return (
            f"CASE WHEN regexp_matches({number}, {text(INTEGER)}) THEN"
            f" TRY_CAST(split_part({number}, '.', 1) AS BIGINT) END"
        )
    return (
        f"CASE WHEN regexp_matches({number}, {text(NUMBER)}) AND isfinite(TRY_CAST({number} AS DOUBLE)) THEN"
        f" TRY_CAST({number} AS DOUBLE) END"
    )


def _time(column: Column, value: str, zone: str | None) -> str:
    moment = _moment(column, value, zone)
    # Python and its users know no others
    return f"CASE WHEN ({moment}) BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59' THEN {moment} END"


def _moment(column: Column, value: str, zone: str | None) -> str:
    if column.format in EPOCHS:
        per_second = 1 if column.format == EPOCHS[0] else 1000
        seconds = f"TRY_CAST({value} AS DOUBLE) / {per_second}"
        moment = f"TRY(to_timestamp({seconds}))"
        return f"timezone({text(zone or 'UTC')}, {moment})"
    if column.format is not None:
        return f"TRY_STRPTIME({value}, {text(column.format)})"
    plain = f"TRY_CAST({value} AS TIMESTAMP)"
    # without a zone of the table nobody knows whose clock a time with an offset should show
    with_offset = f"timezone({text(zone)}, TRY_CAST({value} AS TIMESTAMPTZ))" if zone else "NULL"
    has_offset = f"regexp_matches({value}, {text(OFFSET)}) AND contains({value}, ':')"
    return f"CASE WHEN {has_offset} THEN {with_offset} ELSE {plain} END"


def _cast(column: Column, name: str, kind: str, zone: str | None, spelling: str) -> str:
    if column.type == "timestamp":
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"timezone({text(zone or 'UTC')}, {name})"
        if column.format in EPOCHS:
            return _moment(column, name, zone)
        if kind not in {"TIMESTAMP", "DATE"} and not kind.startswith("TIMESTAMP"):
            raise ImpossibleColumn(f"column {spelling!r} of type {kind} has no times; give `format: epoch seconds`")
        return f"TRY_CAST({name} AS TIMESTAMP)"
    if column.type == "number":
        return f"CASE WHEN isfinite(TRY_CAST({name} AS DOUBLE)) THEN TRY_CAST({name} AS DOUBLE) END"
    if column.type == "integer" and kind == "DOUBLE":
        return f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT) END"
    return f"TRY_CAST({name} AS {SQL_TYPES[column.type]})"
