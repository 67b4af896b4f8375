"""A month judges only models that haven't learnt from it."""

from collections.abc import Sequence

from trainer.gate.verdict import Verdict


def without_seen(verdict: Verdict, month: str, candidate: Sequence[str], champion: Sequence[str]) -> Verdict:
    """The verdict; refused if the candidate has learnt from the month that judges, noted if the champion has.

    Args:
        month: As ``2021-02``.
        candidate: Months that it has learnt from, as far as they are known.
        champion: The same of the champion. It only makes the gate harder to pass.
    """
    refusals, notes = list(verdict.refusals), list(verdict.notes)
    if month in candidate:
        refusals.append(f"the candidate has learnt from {month}, the month that judges: name a later holdout")
    if month in champion:
        notes.append(f"the champion has learnt from {month}, the month that judges")
    return verdict.model_copy(update={"refusals": refusals, "notes": notes})
