"""A month judges only models that haven't learnt from it."""

from trainer.gate.verdict import Verdict


def without_seen(verdict: Verdict, month: str) -> Verdict:
    """The verdict, refused: the candidate has learnt from the month that judges, which is as ``2021-02``."""
    refusal = f"the candidate has learnt from {month}, the month that judges: name a later holdout"
    return verdict.model_copy(update={"refusals": [*verdict.refusals, refusal]})
