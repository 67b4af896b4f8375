"""Objects of an S3 store, kept as files of this machine."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.fs as fs

from trainer.data.errors import DataError, SourceUnavailable
from trainer.data.files import replacing
from trainer.usecase.declaration import Period as Kind
from trainer.usecase.files import MAGIC, WHOLE, Located, NoFiles, format_of
from trainer.usecase.periods import PATTERNS, Period

SCHEME = "s3://"
ATTEMPTS = 3
CONNECT_SECONDS, REQUEST_SECONDS = 10, 60
BYTES_AT_A_TIME = 1 << 22
AWAY = re.compile(
    r"AWS Error (NETWORK|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING|INTERNAL|REQUEST_TIMEOUT)|HTTP status 5"
)
"""Of an answer after which a later try may do better."""

Found = TypeVar("Found")


class ObjectsRefused(DataError):
    """The store doesn't give what it is asked for."""


@dataclass(frozen=True)
class State:
    """Of an object; another content is another."""

    size: int
    changed: str


def is_object(text: str) -> bool:
    """Whether it is the address of objects."""
    return text.lower().startswith(SCHEME)


def fetched(address: str, kind: Kind, into: Path) -> list[Located]:
    """The objects that an address names, as files; what is there from before and hasn't changed isn't fetched again.

    Credentials, region and endpoint are those of the environment, by AWS's names.

    Args:
        address: of one object, of all under a prefix that ends with a slash, or with a glob or ``{period}`` in it.

    Raises:
        NoFiles: it names nothing.
        ObjectsRefused: the store, or this account there, hasn't that.
        SourceUnavailable: the store doesn't answer.
    """
    path = address[len(SCHEME) :]
    store = _asked(address, lambda: _store(os.environ))
    found = _asked(address, lambda: _matching(store, path, kind))
    if not found:
        raise NoFiles(f"no object is named {address}")
    return [Located(_asked(address, partial(_kept, store, info, into)), day) for info, day in found]


def _store(environment: Mapping[str, str]) -> fs.S3FileSystem:
    settings: dict[str, Any] = {}
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        scheme, _, host = endpoint.partition("://")
        settings |= {"scheme": scheme, "endpoint_override": host.rstrip("/")}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if region or endpoint:
        settings["region"] = region or "us-east-1"
    return fs.S3FileSystem(
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **settings,
    )


def _matching(store: fs.S3FileSystem, path: str, kind: Kind) -> list[tuple[fs.FileInfo, date | None]]:
    if WHOLE in path:
        form = re.compile(re.escape(path).replace(re.escape(WHOLE), f"({PATTERNS[kind]})"))
        return [
            (info, Period.parse(match[1], kind).first_day)
            for info in _listed(store, path.partition(WHOLE)[0])
            if (match := form.fullmatch(info.path))
        ]
    return [(info, None) for info in _without_periods(store, path)]


def _without_periods(store: fs.S3FileSystem, path: str) -> list[fs.FileInfo]:
    if MAGIC.search(path):
        beginning = path[: MAGIC.search(path).start()]  # type: ignore[union-attr]
        # a star is no slash, as in a glob of files
        return [
            info
            for info in _listed(store, beginning)
            if info.path.count("/") == path.count("/") and fnmatchcase(info.path, path)
        ]
    if path.endswith("/"):
        return [info for info in _listed(store, path) if format_of(Path(info.path))]
    info = store.get_file_info(path)
    return [info] if info.type == fs.FileType.File else []


def _listed(store: fs.S3FileSystem, beginning: str) -> list[fs.FileInfo]:
    """Objects below the last folder of what their names begin with, by name."""
    folder = beginning.rpartition("/")[0]
    found = store.get_file_info(fs.FileSelector(folder, recursive=True))
    return sorted((info for info in found if info.type == fs.FileType.File), key=lambda info: info.path)


def _kept(store: fs.S3FileSystem, info: fs.FileInfo, into: Path) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", info.base_name)[-100:]
    target = into / f"{hashlib.sha256(info.path.encode()).hexdigest()[:12]}-{name}"
    record = target.with_name(f"{target.name}.json")
    state = State(info.size, info.mtime.isoformat() if info.mtime else "")
    if target.is_file() and _recorded(record) == state and target.stat().st_size == state.size:
        return target
    with replacing(target) as temporary, store.open_input_stream(info.path) as source, temporary.open("wb") as file:
        while piece := source.read(BYTES_AT_A_TIME):
            file.write(piece)
        if file.tell() != info.size:
            raise SourceUnavailable(info.path, ATTEMPTS, f"{file.tell():,} of {info.size:,} bytes arrived")
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(asdict(state)))
    return target


def _recorded(record: Path) -> State | None:
    try:
        return State(**json.loads(record.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _asked(address: str, ask: Callable[[], Found]) -> Found:
    try:
        return ask()
    except OSError as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        if AWAY.search(said):
            raise SourceUnavailable(address, ATTEMPTS, said) from None
        if "AWS Error" in said or isinstance(error, FileNotFoundError):
            raise ObjectsRefused(f"{address}: {said}") from None
        # of this machine's disk, such as that it is full
        raise
