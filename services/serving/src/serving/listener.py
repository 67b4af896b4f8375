"""A worker's ear: it answers the replica's other workers on a Unix socket named after its process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from serving.errors import ServingError
from serving.slot import Slot
from serving.sockets import address
from serving.wire import LONGEST, Call, Reply, Status

log = logging.getLogger(__name__)


def socket_path(run_dir: Path, pid: int) -> Path:
    return run_dir / f"{pid}.sock"


@asynccontextmanager
async def listening(
    run_dir: Path, slot: Slot, acts: Mapping[str, Callable[[], None]] | None = None
) -> AsyncIterator[None]:
    """Answers as long as the context lasts.

    Args:
        acts: What calls that have nothing to do with the slot do, by their name.
    """
    path = socket_path(run_dir, slot.pid)
    path.unlink(missing_ok=True)  # of a dead process that had the same number
    conversations = _Conversations(slot, acts or {})
    server = await asyncio.start_unix_server(conversations.answer, address(path), limit=LONGEST)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        await conversations.end()


class _Conversations:
    def __init__(self, slot: Slot, acts: Mapping[str, Callable[[], None]]) -> None:
        self._slot = slot
        self._acts = acts
        self._open: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            # cancelled only by end(); asyncio's server would report it as an error
            with suppress(asyncio.CancelledError):
                await self._converse(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            call = Call.model_validate_json(await reader.readline())
            reply = await self._reply(call)
            writer.write(reply.model_dump_json().encode() + b"\n")
            await writer.drain()
        except (ValidationError, ConnectionError, ValueError) as error:
            log.warning("unanswered call of another worker", extra={"problem": str(error)})

    async def _reply(self, call: Call) -> Reply:
        calls: Mapping[str, Callable[[], Awaitable[Status]]] = {
            "stage": lambda: self._slot.stage(call.key),
            "converge": self._slot.converge,
            "discard": self._slot.discard,
        }
        if act := self._acts.get(call.what):
            act()
        try:
            return Reply(status=await calls[call.what]() if call.what in calls else self._slot.status())
        except ServingError as error:
            return Reply(status=self._slot.status(), problem=str(error))
