"""A monitoring as people read it."""

from collections.abc import Sequence

from trainer.gate.rendering import table
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.monitoring import Monitoring

NAMES = {
    "psi": "distribution (PSI)",
    "missing_psi": "missing or not (PSI)",
    "missing": "missing",
    "rmse": "RMSE",
    "mae": "MAE",
    "coverage": "coverage",
    "rows": "predictions",
    "count": "count",
    "share": "share",
}
SHARES = {"missing", "coverage", "share"}
WHOLE = {"rows", "count"}
SLICES_SHOWN = 12
HEAD = ("what", "measure", "now", "expected", "alarm from", "p", "alarm")


def subject(monitoring: Monitoring) -> str:
    return f"{monitoring.model} version {monitoring.version}: {monitoring.message}"


def scope(monitoring: Monitoring) -> str:
    """What it is about, in one sentence."""
    known = f"the outcome of {monitoring.outcomes:,} of them known"
    return f"{monitoring.rows:,} predictions from {monitoring.window}, {known}."


def markdown(monitoring: Monitoring) -> str:
    """The alarms, and all that was measured but for slices that are neither large nor bad."""
    lines = [f"# {subject(monitoring)}", scope(monitoring), "", *(f"- {note}" for note in monitoring.notes)]
    for title, kinds in SECTIONS.items():
        rows = shown(monitoring, kinds)
        if rows:
            lines += ["", f"## {title}", "", table(HEAD, [cells(row) for row in rows])]
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, tuple[str, ...]] = {
    "What is asked, and answered": ("field", "prediction", "feature"),
    "Errors beside what was promised": ("error",),
    "Where it is worst": ("slice",),
    "Versions": ("version",),
    "Traffic since the last monitoring": ("traffic",),
}


def shown(monitoring: Monitoring, kinds: Sequence[str]) -> list[Measurement]:
    """Measurements of these kinds; of slices those that decide, the worst first."""
    found = [row for row in monitoring.measurements if row.kind in kinds]
    if "slice" not in kinds:
        return found
    deciding = [row for row in found if row.threshold is not None]
    return sorted(deciding, key=lambda row: -growth(row))[:SLICES_SHOWN]


def growth(row: Measurement) -> float:
    """By which share the value is above what was expected."""
    return (row.value or 0.0) / row.expected - 1 if row.expected else 0.0


def cells(row: Measurement) -> list[str]:
    """As in ``HEAD``."""
    figures = [figure(row.measure, value) for value in (row.value, row.expected, row.threshold)]
    p_value = "" if row.p_value is None else "<0.0001" if row.p_value < 0.0001 else f"{row.p_value:.4f}"
    what = row.name if row.kind in ("slice", "traffic", "prediction", "error", "version") else f"{row.kind} {row.name}"
    return [what, NAMES[row.measure], *figures, p_value, "**yes**" if row.alarm else ""]


def alarm_rows(monitoring: Monitoring) -> list[dict[str, str]]:
    """One for each alarm; one that says so if there is none."""
    alarms = [*monitoring.drifted, *monitoring.decayed]
    return [dict(zip(HEAD[:-1], cells(alarm)[:-1], strict=True)) for alarm in alarms] or [{"what": "no alarm"}]


def figure(measure: str, value: float | None) -> str:
    if value is None:
        return ""
    if measure in SHARES:
        return f"{value:.1%}"
    return f"{value:,.0f}" if measure in WHOLE else f"{value:.3f}"
