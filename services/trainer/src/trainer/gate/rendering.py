"""The verdict as people read it."""

from collections.abc import Sequence

from trainer.gate.verdict import Comparison, Slice, Verdict

COMPARED = ("against", "its RMSE", "difference", "from", "to", "beaten")
SLICES_SHOWN = 12
"""The worst ones; all are in the verdict's JSON."""


def markdown(verdict: Verdict) -> str:
    """All that the verdict is made of, but for slices that are neither large nor bad."""
    outcome = "may be promoted" if verdict.promotes else "is refused"
    lines = [f"# Version {verdict.candidate} {outcome}"]
    lines += [f"- {text}" for text in [*verdict.refusals, *verdict.notes]] or [verdict.reason]
    lines += [
        "",
        f"Judged on {verdict.rows:,} rows of the holdout, {_unseen(verdict)}: RMSE"
        f" {verdict.rmse:.3f}{_plural(verdict.unit)}, {verdict.explained:.1%} of the variance explained.",
        "",
        "## What it must beat",
        f"RMSE, and the candidate's less that with its {verdict.terms.confidence:.0%} interval (paired bootstrap,"
        f" {verdict.terms.resamples:,} resamples, seed {verdict.seed}). Beaten: the whole interval lies below 0.",
        "",
        table(COMPARED, [list(row.values()) for row in comparison_rows(verdict)]),
    ]
    if verdict.slices:
        lines += [
            "",
            "## Where it is worst beside the champion",
            f"In no slice of {verdict.terms.least_slice_rows:,} rows or more may the error be higher by more than"
            f" {verdict.terms.most_slice_loss:.0%}.",
            "",
            table(
                ["by", "slice", "rows", "candidate", "champion", "change", ""],
                [_slice_row(part, verdict) for part in worst(verdict)],
            ),
        ]
    return "\n".join(lines) + "\n"


def _plural(unit: str) -> str:
    return f" {unit}s" if unit.islower() else f" {unit}" if unit else ""


def _unseen(verdict: Verdict) -> str:
    if verdict.champion_saw:
        return (
            f"of which **the champion has learnt from {verdict.champion_saw:,}**, so that it is harder to beat than it"
            " should be; the candidate and the baselines have learnt from none"
        )
    rest = f" (the champion has learnt from the other {verdict.left_out:,})" if verdict.left_out else ""
    return f"which no model or baseline has learnt from{rest}"


def comparison_rows(verdict: Verdict) -> list[dict[str, str]]:
    """One for each thing that the candidate must beat."""
    return [
        dict(zip(COMPARED, [found.against, f"{found.rmse:.3f}", *_signed(found), _yes(found.beaten)], strict=True))
        for found in verdict.comparisons
    ]


def _signed(found: Comparison) -> list[str]:
    return [f"{value:+.3f}" for value in (found.difference, found.low, found.high)]


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def worst(verdict: Verdict) -> list[Slice]:
    """The slices that decide, those with the highest loss first."""
    deciding = [part for part in verdict.slices if part.decides]
    return sorted(deciding, key=lambda part: -part.loss)[:SLICES_SHOWN]


def _slice_row(part: Slice, verdict: Verdict) -> list[str]:
    too_much = "too much" if part.loss > verdict.terms.most_slice_loss else ""
    figures = [f"{part.rows:,}", f"{part.candidate:.3f}", f"{part.champion:.3f}", f"{part.loss:+.1%}"]
    return [part.by, part.name, *figures, too_much]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])
