"""The flow ``rollback``: an earlier version is served again."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.flows.actor import this_run
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import is_champion, registry
from trainer.flows.promote import VersionText
from trainer.flows.steps.release import WAIT_SECONDS, notify
from trainer.flows.steps.serve import tag
from trainer.flows.steps.versions import find_previous, roll_out_registered
from trainer.registry.champion import CHAMPION
from trainer.rollout.change import Change
from trainer.rollout.errors import AlreadyChampion
from trainer.usecases.trips.fields import MODEL_NAME


@flow(name="rollback", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def rollback(
    usecase: str = MODEL_NAME,
    version: VersionText | None = None,
    reason: str = "",
    wait_seconds: Annotated[int, Field(ge=0, le=3_600)] = WAIT_SECONDS,
) -> State[Any]:
    """Has every replica serve an earlier version again, staged and checked first like any other. The gate isn't asked.

    Args:
        usecase: The use case whose model is rolled back.
        version: A version's number; empty for the one that was served before, by the ledger.
        reason: Why, for the ledger.
        wait_seconds: For another rollout to end; 0 to be refused at once.
    """
    champion = registry(usecase).version_of(CHAMPION)
    target = version or find_previous(usecase, champion)
    if target == champion:
        raise AlreadyChampion(target)
    why = reason or f"rolled back from version {champion}"
    roll_out_registered(usecase, Change("rollback", champion, target, this_run(), why), wait_seconds)
    if champion is not None:
        tag(usecase, champion, {"decision": "rolled back", "reason": why})
    outcome = f"{usecase} version {target} {is_champion(usecase)}"
    notify(outcome, f"Rolled back from version {champion}: {why}", return_state=True)
    return Completed(message=f"{outcome}: {why}")
