"""What ``GET /model`` says."""

from importlib.metadata import version
from typing import Any

from serving.notes import NoteFile
from serving.peers import Peers
from serving.replica import Replica
from serving.slot import Slot
from serving.state import State, StateFile
from serving.wire import Call, Reply, Status

STATUS_SECONDS = 2.0
"""A worker that takes longer is shown without a model."""


class Describer:
    """Describes the served model and the replica's workers."""

    def __init__(self, slot: Slot, replica: Replica, alias: str) -> None:
        self._slot = slot
        self._peers: Peers = replica.peers
        self._state: StateFile = replica.state
        self._notes: NoteFile = replica.notes
        self._alias = alias

    async def describe(self) -> dict[str, Any]:
        """Raises NoModel."""
        served = self._slot.served
        contract, record, refused = served.model.contract, served.record, self._notes.read().refused
        state = self._state.read()
        return {
            "name": record.name,
            "version": record.version,
            "run_id": record.run_id,
            "alias": self._alias if state.followed == served.key else None,
            "metrics": dict(record.metrics),
            "contract": contract.model_dump(mode="json", exclude_none=True),
            "digest": contract.digest,
            "loaded_at": served.loaded_at.isoformat(),
            "generation": served.generation,
            "workers": [status.model_dump() for status in await self._workers()],
            "refused": refused.model_dump() if refused else None,
            "lease": _lease(state),
            "engine": served.model.engine,
            "fallback": served.model.fallback,
            # of the package's metadata: the library itself isn't loaded as long as nothing needs it
            "xgboost": version("xgboost-cpu"),
        }

    async def _workers(self) -> list[Status]:
        replies = await self._peers.ask(Call(what="status"), STATUS_SECONDS)
        return [
            reply.status if isinstance(reply, Reply) else Status(pid=pid, version=None, generation=0)
            for pid, reply in replies.items()
        ]


def _lease(state: State) -> dict[str, Any] | None:
    lease = state.lease
    if lease is None:
        return None
    return {"version": state.version, "until": lease.until.isoformat(), "before": lease.version}
