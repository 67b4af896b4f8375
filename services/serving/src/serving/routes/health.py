"""Is the process up, and has it a model?"""

from fastapi import APIRouter
from starlette.responses import Response

from serving.chores import Chores
from serving.errors import NoModel
from serving.exchange import answer
from serving.notes import NoteFile
from serving.recorder.journal import Log
from serving.recorder.status import StatusFile
from serving.slot import Slot


def router(slot: Slot, notes: NoteFile, journal: Log, recorder: StatusFile, chores: Chores, stack: str) -> APIRouter:
    """
    Args:
        stack: what the service is part of, told to who asks whether it is alive.
    """
    routes = APIRouter(prefix="/health")

    @routes.get("/live")
    async def live() -> Response:
        return answer({"status": "live"}, {"Roundhouse-Stack": stack} if stack else {})

    @routes.get("/ready")
    async def ready() -> Response:
        if slot.current is None:
            raise NoModel(notes.read().reason or slot.reason)
        recording = journal.problem or recorder.read().problem or "well"
        found = {"status": "ready", "model": slot.current.label, "recording": recording}
        return answer(found | ({"problem": chores.problem} if chores.problem else {}))

    return routes
