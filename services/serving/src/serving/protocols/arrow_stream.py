"""Arrow IPC streams: batches of raw fields in, batches of predictions out, in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from contract import Contract, FieldProblem, InvalidInput
from contract.booster import LoadedModel

from serving.calls import Answer, Call
from serving.errors import BadArrow, BodyTooLarge
from serving.predictions import Served
from serving.protocols import rows, tables
from serving.protocols.arrow_messages import Messages
from serving.protocols.outcomes import Outcome, outcome

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

MOST_ROWS = 65_536
"""Of a batch that are computed at once."""

refusal = rows.refusal


def predict_stream(served: Served, call: Call) -> Answer:
    """A stream with the raw fields as columns to one with ``prediction`` and, if there is one, the interval's bounds.

    Each batch gives a batch. An answer is held back until it is complete or as long as a body may be, so that an error
    can still have a status, and so that a client may send all before it reads. A longer one is an iterator; an error in
    it after its beginning is raised there.

    Raises:
        BadArrow, BodyTooLarge: the body isn't a stream, or a message of it is too large.
        InvalidInput: the contract refuses a value; the row is counted from the stream's first.
        NotFinite: see there.
    """
    parts = _answer(served, call)
    held: list[bytes] = []
    size = count = 0
    for part, count in parts:
        held.append(part)
        size += len(part)
        if size >= call.limits.body_bytes:
            return Answer(chain(held, (part for part, _ in parts)), MEDIA_TYPE, rows=count)
    return Answer(b"".join(held), MEDIA_TYPE, rows=count)


def schema(served: Served) -> pa.Schema:
    """Of the answer."""
    output = served.model.contract.output
    names = ["prediction", *(["interval_lower", "interval_upper"] if output.interval else [])]
    about = {"model": served.record.name, "version": served.record.version, "unit": output.unit}
    return pa.schema([pa.field(name, pa.float64(), nullable=False) for name in names], about)


class _Sink:
    """A file that gives up what was written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _answer(served: Served, call: Call) -> Iterator[tuple[bytes, int]]:
    """Parts of the answer, each with the number of rows so far."""
    done, sink, kind = 0, _Sink(), schema(served)
    with _typed():
        reader = _open(served.model.contract, call)
        with pa.ipc.new_stream(pa.PythonFile(sink, "w"), kind) as writer:
            for batch in reader:
                batch.validate(full=True)
                parts = [
                    _predict(served.model, batch.slice(at, MOST_ROWS), done + at, call.limits.body_bytes)
                    for at in range(0, batch.num_rows, MOST_ROWS)
                ]
                writer.write_batch(_batch(kind, parts))
                done += batch.num_rows
                yield sink.take(), done
        yield sink.take(), done


@contextmanager
def _typed() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadArrow(f"the body is not a whole Arrow IPC stream: {error}") from error


def _open(contract: Contract, call: Call) -> pa.RecordBatchReader:
    messages = Messages(call.body, call.limits.body_bytes)
    given = messages.schema.names
    tables.require(contract, given)
    twice = [name for name in contract.by_name if given.count(name) > 1]
    if twice:
        raise BadArrow(f"the column {twice[0]} is there twice")
    known = [at for at, name in enumerate(given) if name in contract.by_name]
    options = pa.ipc.IpcReadOptions(
        use_threads=False, included_fields=known, ensure_alignment=pa.ipc.Alignment.DataTypeSpecific
    )
    return pa.ipc.open_stream(pa.PythonFile(messages, "r"), options=options)


def _predict(model: LoadedModel, batch: pa.RecordBatch, first_row: int, limit: int) -> Outcome:
    _check_texts(batch, limit)
    try:
        features = tables.matrix(model.contract, pa.Table.from_batches([batch]))
    except InvalidInput as error:
        raise InvalidInput([_counted(problem, first_row) for problem in error.problems]) from None
    return outcome(model, features, first_row)


def _check_texts(batch: pa.RecordBatch, limit: int) -> None:
    """A few bytes may stand for one long text in every row. Raises BodyTooLarge."""
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and tables.is_string(column.type.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            if longest * len(column) > limit:
                raise BodyTooLarge(limit)
        elif pa.types.is_string_view(column.type) and _viewed(column) > limit:
            raise BodyTooLarge(limit)


def _viewed(column: pa.Array) -> int:
    """Bytes of all texts that a column of views shows; a view begins with its text's length."""
    views = np.frombuffer(column.buffers()[1], np.int32).reshape(-1, 4)
    lengths = views[column.offset : column.offset + len(column), 0].astype(np.int64)
    return int(lengths[np.asarray(column.is_valid())].sum())


def _counted(problem: FieldProblem, first_row: int) -> FieldProblem:
    return problem if problem.row is None else replace(problem, row=first_row + problem.row)


def _batch(kind: pa.Schema, parts: Sequence[Outcome]) -> pa.RecordBatch:
    columns = [np.concatenate([part.predictions for part in parts] or [np.empty(0)])]
    if len(kind) > 1:
        bounds = [part.intervals for part in parts if part.intervals is not None]
        columns.extend(np.concatenate(bounds or [np.empty((0, 2))]).T)
    return pa.record_batch([pa.array(column) for column in columns], schema=kind)
