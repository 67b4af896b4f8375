"""All workers of the replica, this one among them, as one can talk to them."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from serving.errors import WorkerSilent
from serving.sockets import address
from serving.wire import LONGEST, Call, Reply


class Peers:
    """Finds the workers by their sockets in the run folder."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def pids(self) -> list[int]:
        """Workers whose process lives. The sockets that dead ones left are removed."""
        found = {int(path.stem): path for path in self.run_dir.glob("*.sock")}
        for pid, path in found.items():
            if not is_alive(pid):
                path.unlink(missing_ok=True)
        return sorted(pid for pid, path in found.items() if path.exists())

    async def ask(self, call: Call, seconds: float) -> dict[int, Reply | WorkerSilent]:
        """The answer of every worker that lives at the end of the call, by process id."""
        pids = self.pids()
        replies: Sequence[Reply | WorkerSilent] = await asyncio.gather(*[self._ask(pid, call, seconds) for pid in pids])
        return {
            pid: reply for pid, reply in zip(pids, replies, strict=True) if isinstance(reply, Reply) or is_alive(pid)
        }

    async def _ask(self, pid: int, call: Call, seconds: float) -> Reply | WorkerSilent:
        try:
            async with asyncio.timeout(seconds):
                return await self._converse(pid, call)
        except (OSError, ValueError, ValidationError) as error:  # TimeoutError is an OSError
            return WorkerSilent(f"worker {pid} doesn't answer ({type(error).__name__})")

    async def _converse(self, pid: int, call: Call) -> Reply:
        reader, writer = await asyncio.open_unix_connection(address(self.run_dir / f"{pid}.sock"), limit=LONGEST)
        try:
            writer.write(call.model_dump_json().encode() + b"\n")
            await writer.drain()
            return Reply.model_validate_json(await reader.readline())
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def is_alive(pid: int) -> bool:
    """Whether there is such a process; one that ended and wasn't reaped yet isn't alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_bytes().rpartition(b") ")[2][:1] != b"Z"
