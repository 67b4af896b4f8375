"""A search as people read it."""

from trainer.gate.rendering import table
from trainer.search.outcome import Outcome, Tried
from trainer.search.space import SPACE

SHOWN = 10
"""The best ones; all of them are runs in MLflow."""


def summary(outcome: Outcome) -> str:
    """One line."""
    best, given = outcome.best, outcome.given
    if given is None:
        beside = ""
    elif best.given:
        beside = ", with the parameters that were given: none was better"
    else:
        beside = f" instead of {given.error:.3f} with the parameters that were given"
    return f"validation RMSE {best.error:.3f}{beside}"


def markdown(outcome: Outcome) -> str:
    """The best trials, and how the search went."""
    text = summary(outcome)
    counts = [f"{outcome.count(ending)} {ending}" for ending in ("complete", "pruned", "failed", "interrupted")]
    lines = [
        f"# {text[:1].upper()}{text[1:]}",
        f"{len(outcome.trials)} trials, those of earlier runs of the same search among them: {', '.join(counts)}."
        f" This run of it took {outcome.seconds:.0f} s.",
        table(["trial", "validation RMSE", "trees", *SPACE], [_row(trial) for trial in outcome.ranked[:SHOWN]]),
    ]
    failed = [f"- trial {trial.number}: {trial.reason}" for trial in outcome.trials if trial.ending == "failed"]
    if failed:
        lines += ["## What failed", "\n".join(failed[:SHOWN])]
    return "\n\n".join(lines) + "\n"


def _row(trial: Tried) -> list[str]:
    name = f"{trial.number} (given)" if trial.given else str(trial.number)
    values = [f"{getattr(trial.boosting, field):.4g}" for field in SPACE]
    return [name, f"{trial.error:.4f}", str(trial.result.rounds), *values]
