"""The flow ``promote``: a registered version becomes champion, if the gate lets it pass."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field, StringConstraints

from trainer.data.months import MonthText
from trainer.data.source import Service, SourceName
from trainer.flows.actor import this_run
from trainer.flows.failure import tell_of_failure
from trainer.flows.outside import is_champion
from trainer.flows.steps.judgement import gate_registered
from trainer.flows.steps.release import WAIT_SECONDS, notify
from trainer.flows.steps.serve import champion_beside, numbers, promoted, tag, unless_champion_changes
from trainer.flows.steps.versions import find_version, roll_out_registered
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.registry.champion import CHALLENGER
from trainer.rollout.change import Change
from trainer.usecases.trips.fields import MODEL_NAME

VersionText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]
DEFAULT_TERMS = Terms()


@flow(name="promote", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def promote(
    version: VersionText | None = None,
    alias: str = CHALLENGER,
    dry_run: bool = False,
    force: bool = False,
    reason: str = "",
    holdout: MonthText | None = None,
    source: SourceName | None = None,
    service: Service | None = None,
    gate: Terms = DEFAULT_TERMS,
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1,
    wait_seconds: Annotated[int, Field(ge=0, le=3_600)] = WAIT_SECONDS,
) -> State[Any]:
    """Makes a registered version champion and has every replica serve it, if the gate lets it pass.

    Args:
        version: A version's number; empty for the one that has the alias.
        alias: Alias of the version to promote, if no number is given.
        dry_run: Only show what the gate says (artifact gate); change nothing.
        force: Promote it although the gate refuses; the ledger says so.
        reason: Why, for the ledger; empty for what the gate says.
        holdout: Month that judges, such as 2021-02; empty for the newest in the warehouse.
        source: Where the months come from; empty for what the version was trained on.
        service: Green or yellow taxis; empty for what the version was trained on.
        gate: What the model has to show.
        seed: Of the gate's resampling.
        wait_seconds: For another rollout to end; 0 to be refused at once.
    """
    wanted = find_version(MODEL_NAME, version, alias)

    def judged() -> Verdict:
        return gate_registered(MODEL_NAME, wanted, source, service, holdout, gate, seed)

    if dry_run:
        verdict = judged()
        outcome = "may be promoted" if verdict.promotes else "would be refused"
        return Completed(message=f"Dry run: {MODEL_NAME} version {wanted} {outcome}: {verdict.reason}")
    return unless_champion_changes(lambda: carry_out(MODEL_NAME, wanted, judged(), force, reason, wait_seconds))


def carry_out(model: str, version: str, verdict: Verdict, force: bool, reason: str, wait_seconds: float) -> State[Any]:
    """Promotes a version that was judged, or says why not."""
    if not verdict.promotes and not force:
        tag(model, version, {"decision": "refused", "reason": verdict.reason})
        return Failed(message=f"{model} version {version} is refused: {verdict.reason}")
    change = _change(model, version, verdict, reason)
    roll_out_registered(model, change, wait_seconds)
    tag(model, version, promoted(change))
    outcome = f"{model} version {version} {is_champion(model)}"
    notify(outcome, f"Promoted: {change.reason}", return_state=True)
    return Completed(message=f"{outcome}: {change.reason}")


def _change(model: str, version: str, verdict: Verdict, reason: str) -> Change:
    said = verdict.reason if verdict.promotes else f"forced although the gate refuses it: {verdict.reason}"
    why = f"{reason} ({said})" if reason else said
    return Change("promote", champion_beside(model, verdict), version, this_run(), why, numbers(verdict))
