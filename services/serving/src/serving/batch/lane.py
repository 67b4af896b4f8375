"""A worker's way to the batch process."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from serving.batch import jobs
from serving.batch.frames import LONGEST_PART, Order, Outcome, receive_parts
from serving.calls import Answer, Call, Limits
from serving.errors import BatchFailed, Overloaded
from serving.predictions import Served

INLINE_BYTES = 4096
"""A shorter body is dealt with on the event loop: it takes less time than handing it over would."""

HEAVY = frozenset(("predict",))
"""Jobs that are handed over whatever their size: TreeSHAP takes the time of a hundred predictions."""

ATTEMPTS = 2
"""A batch process that died is there again within a second; a request that kills it must not do so for ever."""


class Lane:
    """Carries jobs to the batch process; sheds what would wait behind too many others."""

    def __init__(self, path: Path, limits: Limits, most: int, seconds: float) -> None:
        self._path = path
        self._limits = limits
        self._most = most
        self._seconds = seconds
        self.under_way = 0

    async def run(
        self, job: str, served: Served, headers: Mapping[str, str], options: Mapping[str, str], body: bytes
    ) -> Answer:
        """Does a job whose request and answer fit into memory.

        Raises:
            Overloaded: there are too many.
            BatchFailed: the batch process ended or took too long.
        """
        if len(body) <= INLINE_BYTES and job not in HEAVY:
            return jobs.run(job, served, Call(BytesIO(body), self._limits, headers, options))
        order = Order(job=job, key=served.key, headers=headers, options=options)
        with self._admitted():
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._try(order, body)
            except TimeoutError:
                raise BatchFailed(f"the batch took longer than {self._seconds:g} s") from None

    async def stream(
        self, job: str, served: Served, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> "Streamed":
        """Does a job whose request or answer may be longer than memory; to be closed. Raises as ``run`` does."""
        order = Order(job=job, key=served.key, headers=headers, options={})
        with self._admitted() as admitted:
            try:
                streamed = await Streamed.begin(await self._order(order), body)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise BatchFailed("the batch process ended before it had answered") from error
            admitted.move_to(streamed)
            return streamed

    async def _try(self, order: Order, body: bytes) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                return await self._hand_over(order, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                if attempt == ATTEMPTS - 1:
                    raise BatchFailed("the batch process ended before it had answered") from error
        raise AssertionError

    async def _hand_over(self, order: Order, body: bytes) -> Answer:
        connection = await self._order(order)
        try:
            await connection.say(body)
            connection.finish()
            outcome = await connection.outcome()
            parts = [part async for part in receive_parts(connection.reader)]
        finally:
            connection.close()
        return Answer(
            b"".join(parts), outcome.media_type, outcome.status, outcome.headers, outcome.rows, outcome.refusal
        )

    async def _order(self, order: Order) -> "Connection":
        reader, writer = await asyncio.open_unix_connection(self._path, limit=2 * LONGEST_PART)
        writer.write(order.model_dump_json().encode() + b"\n")
        return Connection(reader, writer)

    @contextmanager
    def _admitted(self) -> Iterator["_Admission"]:
        if self.under_way >= self._most:
            raise Overloaded(f"{self.under_way} batches are under way, and no more are taken")
        self.under_way += 1
        admission = _Admission(self)
        try:
            yield admission
        finally:
            admission.end()

    def leave(self) -> None:
        self.under_way -= 1


class _Admission:
    """A place among those under way; a stream keeps it beyond the call that began it."""

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    def move_to(self, streamed: "Streamed") -> None:
        streamed.lane, self._lane = self._lane, None

    def end(self) -> None:
        if self._lane is not None:
            self._lane.leave()


class Connection:
    """One order's connection to the batch process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def say(self, part: bytes) -> None:
        self._writer.write(part)
        try:
            await self._writer.drain()
        except ConnectionError:
            # it may have refused before it had read all; what it says is still there to be read
            return

    def finish(self) -> None:
        with suppress(OSError):
            self._writer.write_eof()

    async def outcome(self) -> Outcome:
        return Outcome.model_validate_json(await self.reader.readuntil(b"\n"))

    def close(self) -> None:
        # not gracefully: that would wait until the other side has taken what is left, and it may never
        self._writer.transport.abort()


class Streamed:
    """An answer that comes while the request may still be going."""

    def __init__(self, connection: Connection, outcome: Outcome, sending: "asyncio.Task[None]") -> None:
        self.outcome = outcome
        self.lane: Lane | None = None
        self._connection = connection
        self._sending = sending

    @classmethod
    async def begin(cls, connection: Connection, body: AsyncIterator[bytes]) -> "Streamed":
        """Waits for the outcome. An error of the body comes first: the batch process only sees that it ended."""
        sending = asyncio.create_task(_send(connection, body))
        reading = asyncio.create_task(connection.outcome())
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            return cls(connection, await reading, sending)
        except BaseException:
            reading.cancel()
            sending.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)
            connection.close()
            raise

    async def parts(self) -> AsyncIterator[bytes]:
        """Raises asyncio.IncompleteReadError if the answer breaks off."""
        async for part in receive_parts(self._connection.reader):
            yield part

    async def close(self) -> None:
        if self.lane is not None:
            self.lane.leave()
            self.lane = None
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._connection.close()


async def _send(connection: Connection, body: AsyncIterator[bytes]) -> None:
    async for part in body:
        await connection.say(part)
    connection.finish()
