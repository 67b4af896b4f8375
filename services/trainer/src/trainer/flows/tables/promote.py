"""The flow ``promote`` of a use case that has a declaration."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from trainer.flows.failure import tell_of_failure
from trainer.flows.promote import VersionText, carry_out
from trainer.flows.steps.release import WAIT_SECONDS
from trainer.flows.steps.serve import unless_champion_changes
from trainer.flows.steps.versions import find_version
from trainer.flows.tables.ingest import source_of
from trainer.flows.tables.steps import find_split, gate_registered_table, prepare
from trainer.flows.tables.train import DEFAULT_TERMS
from trainer.flows.usecases import find
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHALLENGER


@flow(name="promote", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def promote(
    usecase: str,
    version: VersionText | None = None,
    alias: str = CHALLENGER,
    dry_run: bool = False,
    force: bool = False,
    reason: str = "",
    source: str | None = None,
    holdout: list[str] | None = None,
    gate: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
    wait_seconds: Annotated[int, Field(ge=0, le=3_600)] = WAIT_SECONDS,
) -> State[Any]:
    """Makes a registered version champion and has every replica serve it, if the gate lets it pass.

    Args:
        usecase: The use case's name.
        version: A version's number; empty for the one that has the alias.
        alias: Alias of the version to promote, if no number is given.
        dry_run: Only show what the gate says (artifact <use case>-gate); change nothing.
        force: Promote it although the gate refuses; the ledger says so.
        reason: Why, for the ledger; empty for what the gate says.
        source: The source's name; empty for the first.
        holdout: Periods that judge, such as 2021-02; empty for the newest in the warehouse.
        gate: What the model has to show.
        seed: Of the gate's resampling.
        wait_seconds: For another rollout to end; 0 to be refused at once.
    """
    name = source_of(find(usecase), source)
    wanted = find_version(usecase, version, alias)
    split = find_split(usecase, name, None, holdout)
    rows = prepare(usecase, name, split)

    def judged() -> Verdict:
        return gate_registered_table(usecase, wanted, rows, name, split, gate, seed)

    if dry_run:
        verdict = judged()
        outcome = "may be promoted" if verdict.promotes else "would be refused"
        return Completed(message=f"Dry run: {usecase} version {wanted} {outcome}: {verdict.reason}")
    return unless_champion_changes(lambda: carry_out(usecase, wanted, judged(), force, reason, wait_seconds))
