"""A worker's way to the batch process."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from serving.batch import jobs
from serving.batch.frames import LONGEST_PART, OUTCOMES, SCRAPE, TAKEN, Order, Outcome, receive_parts
from serving.calls import Answer, Call, Limits
from serving.errors import BatchFailed, Overloaded
from serving.predictions import Served
from serving.sockets import address

INLINE_BYTES = 4096
"""A shorter body is dealt with on the event loop: it takes less time than handing it over would."""

HEAVY = frozenset(("predict",))
"""Jobs that are handed over whatever their size: TreeSHAP takes the time of a hundred predictions."""

ATTEMPTS = 2
"""A batch process that died is there again within a second. What it had taken isn't sent again: it may be what it died
of."""


class _NotTaken(Exception):
    """The batch process ended before it had looked at the order."""


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
        return await self._in_time(
            Order(job=job, key=served.key, headers=headers, options=options, length=len(body)), body
        )

    async def outcomes(self, body: bytes) -> Answer:
        """Has what came true be checked: ``feedback.check``. Raises as ``run`` does."""
        return await self._in_time(Order(job=OUTCOMES, length=len(body)), body)

    @asynccontextmanager
    async def stream(
        self, job: str, served: Served, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> AsyncIterator["Streamed"]:
        """Does a job whose request or answer may be longer than memory. Raises what ``run`` and the body do."""
        order = Order(job=job, key=served.key, headers=headers, options={})
        with self._admitted():
            connection = await self._order(order)
            sending = asyncio.create_task(_send(connection, body))
            try:
                yield Streamed(await _outcome(connection, sending), _parts(connection, sending))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                connection.close()

    async def scrape(self, seconds: float) -> bytes:
        """The metrics of all workers, also when no batch is admitted. Raises BatchFailed."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._try(Order(job=SCRAPE), b"")
        except TimeoutError:
            raise BatchFailed(f"the metrics took longer than {seconds:g} s") from None
        assert isinstance(answer.body, bytes)
        return answer.body

    async def _in_time(self, order: Order, body: bytes) -> Answer:
        with self._admitted():
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._try(order, body)
            except TimeoutError:
                raise BatchFailed(f"the batch took longer than {self._seconds:g} s") from None

    async def _try(self, order: Order, body: bytes) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                return await self._hand_over(order, body)
            except _NotTaken as error:
                if attempt == ATTEMPTS - 1:
                    raise BatchFailed("the batch process ended before it had answered") from error
            except (OSError, asyncio.IncompleteReadError) as error:
                raise BatchFailed("the batch process ended before it had answered") from error
        raise AssertionError

    async def _hand_over(self, order: Order, body: bytes) -> Answer:
        try:
            connection = await self._order(order)
        except OSError as error:
            raise _NotTaken from error
        try:
            await connection.say(body)
            connection.finish()
            await connection.taken()
            outcome = await connection.outcome()
            parts = [part async for part in receive_parts(connection.reader)]
        finally:
            connection.close()
        return Answer(
            b"".join(parts), outcome.media_type, outcome.status, outcome.headers, outcome.rows, outcome.refusal
        )

    async def _order(self, order: Order) -> "HandOver":
        reader, writer = await asyncio.open_unix_connection(address(self._path), limit=2 * LONGEST_PART)
        writer.write(order.model_dump_json().encode() + b"\n")
        return HandOver(reader, writer)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self.under_way >= self._most:
            raise Overloaded(f"{self.under_way} batches are under way, and no more are taken")
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


class HandOver:
    """One order's connection to the batch process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def say(self, part: bytes) -> None:
        # that the other side has gone shows where its answer is read
        with suppress(ConnectionError):
            self._writer.write(part)
            await self._writer.drain()

    def finish(self) -> None:
        if not self._writer.transport.is_closing():
            with suppress(OSError):
                self._writer.write_eof()

    async def taken(self) -> None:
        """Raises _NotTaken."""
        try:
            await self.reader.readexactly(len(TAKEN))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise _NotTaken from error

    async def outcome(self) -> Outcome:
        return Outcome.model_validate_json(await self.reader.readuntil(b"\n"))

    def close(self) -> None:
        # not gracefully: that would wait until the other side has taken what is left, and it may never
        self._writer.transport.abort()


@dataclass(frozen=True)
class Streamed:
    """An answer that comes while the request may still be going."""

    outcome: Outcome
    parts: AsyncIterator[bytes]
    """Raises BatchFailed if the answer breaks off, or what the body raises."""


async def _outcome(connection: HandOver, sending: "asyncio.Task[None]") -> Outcome:
    with _broken_off(sending):
        await connection.taken()
        return await connection.outcome()


async def _parts(connection: HandOver, sending: "asyncio.Task[None]") -> AsyncIterator[bytes]:
    with _broken_off(sending):
        async for part in receive_parts(connection.reader):
            yield part


@contextmanager
def _broken_off(sending: "asyncio.Task[None]") -> Iterator[None]:
    try:
        yield
    except (OSError, asyncio.IncompleteReadError, _NotTaken) as error:
        # an error of the body comes first: the batch process only sees that it ended
        if sending.done():
            sending.result()
        raise BatchFailed("the batch process ended before it had answered") from error


async def _send(connection: HandOver, body: AsyncIterator[bytes]) -> None:
    try:
        async for part in body:
            await connection.say(part)
    except BaseException:
        connection.close()  # so that who waits for the answer hears that none will come
        raise
    connection.finish()
