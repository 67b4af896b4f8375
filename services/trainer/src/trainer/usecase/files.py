"""Files of a source: which there are, which columns they have, and how DuckDB reads them."""

import csv
import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from trainer.data.errors import DataError
from trainer.usecase.database import identifier, text
from trainer.usecase.declaration import Files
from trainer.usecase.declaration import Period as Kind
from trainer.usecase.periods import PATTERNS, Period

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
"""By the end of a file's name, without ``.gz``."""

WHOLE = "{period}"
FILE_PERIOD = "_file_period"
"""Column with the first day of the period of the row's file."""
NOTHING = "NULL"
"""Instead of a type, of a column that has no value in a file."""
NUMBERS = {"BIGINT", "UBIGINT", "DOUBLE"}
MAGIC = re.compile(r"[*?\[]")
MOST_COLUMNS = 1_000
HEAD_BYTES = 1_000_000
"""Of a CSV, within which its header must end."""


class NoFiles(DataError):
    """A source names files that aren't there."""


class UnreadableFile(DataError):
    """A file isn't what its source says."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True)
class Located:
    """A file of this machine that a source names."""

    path: Path
    period: date | None = None
    """First day of the period that stands in its name for ``{period}``."""


@dataclass(frozen=True)
class DataFile:
    """A file of a source."""

    path: Path
    format: str
    columns: Mapping[str, str]
    """DuckDB's type of each; of CSV all are texts."""
    left_out: Sequence[str] = ()
    """Columns that no table can have: nested ones."""
    period: date | None = None
    """First day of the period that it is of; None if its name doesn't say."""


def find(source: Files, located: Iterable[Located]) -> list[DataFile]:
    """What is in files of a source. Raises UnreadableFile."""
    return [replace(_read(each.path, source), period=each.period) for each in located]


def locate(pattern: str, root: Path, kind: Kind) -> list[Located]:
    """The files of this machine that a path, a folder, a glob or a path with ``{period}`` names, in order.

    Args:
        root: what relative paths begin at.

    Raises:
        NoFiles: there are none.
    """
    if WHOLE in pattern:
        return _of_periods(pattern, root, kind)
    return [Located(path) for path in _paths(pattern, root)]


def fingerprint(source: Files, root: Path, kind: Kind) -> str:
    """Changes whenever a file is written, or another takes its place, or there is one more or less. Raises NoFiles."""
    digest = hashlib.sha256(source.model_dump_json().encode())
    named = [source.files] if isinstance(source.files, str) else source.files
    for path in (each.path for pattern in named for each in locate(pattern, root, kind)):
        seen = path.stat()
        # the time of the last change of whatever kind can't be set back, as the one of the content can
        digest.update(f"{path}\0{seen.st_ino}\0{seen.st_size}\0{seen.st_mtime_ns}\0{seen.st_ctime_ns}\n".encode())
    return digest.hexdigest()


def relation(files: Sequence[DataFile], source: Files, connection: duckdb.DuckDBPyConnection) -> str:
    """The rows of all files, as a query, with ``FILE_PERIOD``; a column that a file lacks is null."""
    kinds = columns_of(files)
    parts = []
    for number, file in enumerate(files):
        if file.format == "arrow":
            connection.register(f"arrow_{number}", ds.dataset(file.path, format="ipc"))
        columns = [
            identifier(name) if kind == kinds[name] else f"{identifier(name)}::{kinds[name]} AS {identifier(name)}"
            for name, kind in file.columns.items()
        ]
        period = f"{text(file.period.isoformat())}::DATE" if file.period else "NULL::DATE"
        parts.append(f"SELECT {', '.join([*columns, f'{period} AS {FILE_PERIOD}'])} FROM {_scan(file, source, number)}")
    return " UNION ALL BY NAME ".join(parts)


def columns_of(files: Iterable[DataFile]) -> dict[str, str]:
    """All columns of the files, with the type that one has in all of them.

    A column that is of integers here and of numbers there is of numbers; of types that differ more it is a text.
    """
    kinds: dict[str, set[str]] = {}
    for file in files:
        for name, kind in file.columns.items():
            kinds.setdefault(name, set()).add(kind)
    return {name: _common(found - {NOTHING}) for name, found in kinds.items()}


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "DOUBLE" if kinds and kinds <= NUMBERS else "VARCHAR"


def explained(error: duckdb.Error, files: Sequence[DataFile]) -> UnreadableFile:
    """What DuckDB says of a file, in one line."""
    said = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", said)
    of_file = next((file.path for file in files if str(file.path) in said), files[0].path)
    if line:
        # the second line has the row itself, which isn't anybody's to see
        problem = next(
            (part for part in said.splitlines()[1:] if part.strip() and not part.startswith("Original Line")), ""
        )
        return UnreadableFile(of_file, f"line {line[1]}: {problem.strip().rstrip('.')}")
    return UnreadableFile(of_file, said.splitlines()[0])


def _paths(pattern: str, root: Path) -> list[Path]:
    at = root / pattern
    if at.is_dir():
        found = sorted(path for path in at.iterdir() if path.is_file() and format_of(path))
        if not found:
            raise NoFiles(f"{at} has no file that can be read ({', '.join(FORMATS)}, and .gz)")
        return found
    if MAGIC.search(pattern) and not at.exists():
        found = sorted(path for path in _anchor(pattern, root).glob(_rest(pattern)) if path.is_file())
        if not found:
            raise NoFiles(f"no file is named {at}")
        return found
    if not at.is_file():
        raise NoFiles(f"there is no {at}")
    return [at]


def _of_periods(pattern: str, root: Path, kind: Kind) -> list[Located]:
    globbed = pattern.replace(WHOLE, "*")
    form = re.compile(re.escape(str(root / pattern)).replace(re.escape(WHOLE), f"({PATTERNS[kind]})"))
    candidates = sorted(path for path in _anchor(globbed, root).glob(_rest(globbed)) if path.is_file())
    found = [
        Located(path, Period.parse(match[1], kind).first_day)
        for path in candidates
        if (match := form.fullmatch(str(path)))
    ]
    if not found:
        raise NoFiles(f"no file is named {root / pattern} with a {kind} for {WHOLE}")
    return found


def _anchor(pattern: str, root: Path) -> Path:
    return Path(Path(pattern).anchor) if Path(pattern).is_absolute() else root


def _rest(pattern: str) -> str:
    path = Path(pattern)
    return str(path.relative_to(path.anchor)) if path.is_absolute() else pattern


def format_of(path: Path) -> str | None:
    """What a file's name says of its format; None for nothing."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return FORMATS.get(plain.suffix.lower())


def _read(path: Path, source: Files) -> DataFile:
    kind = source.format or format_of(path)
    if kind is None:
        raise UnreadableFile(path, f"its name doesn't say its format; give `format` or name it {', '.join(FORMATS)}")
    try:
        if path.stat().st_size == 0:
            raise UnreadableFile(path, "is empty")
        match kind:
            case "csv":
                return DataFile(path, kind, dict.fromkeys(_header(path, source), "VARCHAR"))
            case "json":
                return _described(path)
            case "parquet":
                return _of_schema(path, kind, pq.read_schema(path))
            case _:
                return _of_schema(path, kind, ds.dataset(path, format="ipc").schema)
    except (OSError, EOFError, pa.ArrowException, UnicodeError, csv.Error) as error:
        raise UnreadableFile(path, f"is no {kind} that can be read: {str(error).splitlines()[0]}") from error


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """A file's content; of a gzipped one what is in it."""
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as packed:
            yield cast("BinaryIO", packed)
    else:
        with path.open("rb") as plain:
            yield plain


def _header(path: Path, source: Files) -> list[str]:
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    with unpacked(path) as opened, TextIOWrapper(opened, encoding=encoding, newline="") as file:
        lines = iter(lambda: file.readline(HEAD_BYTES), "")
        if source.quote:
            names = next(csv.reader(lines, delimiter=source.delimiter, quotechar=source.quote), [])
        else:
            names = next(csv.reader(lines, delimiter=source.delimiter, quoting=csv.QUOTE_NONE), [])
    named = [name if name.strip() else f"column {position + 1}" for position, name in enumerate(names)]
    twice = [name for name, count in Counter(name.lower() for name in named).items() if count > 1]
    if twice:
        raise UnreadableFile(path, f"two columns are called {twice[0]!r}")
    if not 0 < len(named) <= MOST_COLUMNS:
        raise UnreadableFile(path, f"has {len(named)} columns; from 1 to {MOST_COLUMNS} are possible")
    return named


def _described(path: Path) -> DataFile:
    with duckdb.connect() as connection:
        try:
            found = connection.execute(f"DESCRIBE SELECT * FROM {_json(path)}").fetchall()
        except duckdb.Error as error:
            raise UnreadableFile(path, f"is no JSON lines: {str(error).splitlines()[0]}") from None
    flat = {name: kind for name, kind, *_ in found if not _nested(kind)}
    return DataFile(path, "json", flat, [name for name, *_ in found if name not in flat])


def _of_schema(path: Path, kind: str, schema: pa.Schema) -> DataFile:
    flat, left_out = {}, []
    for field in schema:
        inner = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        known = _duckdb_type(inner)
        if known is None:
            left_out.append(field.name)
        else:
            flat[field.name] = known
    return DataFile(path, kind, flat, left_out)


def _duckdb_type(kind: pa.DataType) -> str | None:
    """DuckDB's type for what Arrow and Parquet have; None for what no column can be."""
    types = pa.types
    if types.is_boolean(kind):
        return "BOOLEAN"
    if types.is_integer(kind):
        return "UBIGINT" if types.is_uint64(kind) else "BIGINT"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "DOUBLE"
    if types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE" if kind.tz else "TIMESTAMP"
    if types.is_date(kind):
        return "DATE"
    if types.is_null(kind):
        return NOTHING
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "VARCHAR"
    return None


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")) or kind == "JSON"


def _scan(file: DataFile, source: Files, number: int) -> str:
    match file.format:
        case "csv":
            columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in file.columns)
            quote = text(source.quote)
            return (
                f"read_csv({text(str(file.path))}, auto_detect = false, header = true, columns = {{{columns}}},"
                f" delim = {text(source.delimiter)}, quote = {quote}, escape = {quote},"
                f" encoding = {text(source.encoding)}, nullstr = '', max_line_size = 16777216, buffer_size = 16777216)"
            )
        case "json":
            return _json(file.path)
        case "parquet":
            return f"read_parquet({text(str(file.path))})"
        case _:
            return f"arrow_{number}"


def _json(path: Path) -> str:
    return f"read_json({text(str(path))}, format = 'newline_delimited', sample_size = -1)"
