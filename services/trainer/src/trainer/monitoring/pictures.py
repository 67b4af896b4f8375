"""Pictures of a monitoring, as SVG."""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from trainer.monitoring.binning import BINS
from trainer.monitoring.columns import Column
from trainer.monitoring.drift import Drift
from trainer.monitoring.recorded import Day
from trainer.monitoring.terms import Terms

INK = "#1f3a5f"
ACCENT = "#c8553d"
PALE = "#a9b8cc"
STEPS = 40
"""Of a number's picture."""
CATEGORIES_SHOWN = 12


def drawn(draw: Callable[[Axes], None], width: float, height: float) -> str:
    """One picture as SVG; inches."""
    # the texts stay texts: small, sharp, and in the page's own font
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "monitoring", "font.size": 9}):
        # a figure of its own, not pyplot's: that keeps global state and looks for a display
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        written = io.StringIO()
        canvas.print_svg(written, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return written.getvalue()


def indices(drifts: Sequence[Drift], terms: Terms) -> str:
    """The stability index of everything, with the thresholds; what raises an alarm stands out."""
    measured = [(drift.now.name, drift.psi, drift.drifted) for drift in drifts if drift.now.same_as is None]
    missing = [
        (f"{drift.now.name} missing or not", drift.missing_psi, drift.missing_drifted)
        for drift in drifts
        if drift.missing_psi is not None
    ]
    bars = sorted(
        ((name, psi, alarm) for name, psi, alarm in [*measured, *missing] if psi is not None), key=lambda bar: bar[1]
    )

    def draw(axes: Axes) -> None:
        drawn_bars = axes.barh(
            [name for name, *_ in bars],
            [psi for _, psi, _ in bars],
            color=[ACCENT if alarm else INK for *_, alarm in bars],
            height=0.65,
        )
        axes.bar_label(drawn_bars, fmt="{:.3f}", padding=3)
        for psi, color, what in ((terms.most_psi, "grey", "drifted"), (terms.severe_psi, ACCENT, "severe")):
            axes.axvline(psi, color=color, linewidth=1, linestyle="--", label=f"{what} from {psi:g}")
        axes.legend(loc="lower right", framealpha=1, edgecolor="none")
        axes.set_xlim(0, max([psi for _, psi, _ in bars] + [terms.severe_psi]) * 1.15)
        axes.set_xlabel("population stability index, less what chance gives")

    return drawn(draw, 8.4, 0.9 + 0.29 * len(bars))


def distribution(drift: Drift) -> str:
    """One column, then and now: shares of each value, or of each step of a number."""
    before, after = drift.reference, drift.now
    few = len(np.unique(before.present)) <= BINS
    shares = _category_shares(before, after) if before.category or few else None

    def draw(axes: Axes) -> None:
        if shares is None:
            _steps(axes, before, after)
        else:
            _bars(axes, shares)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share * 100:.3g}%")
        axes.set_title(
            drift.now.name + ("" if drift.psi is None else f": PSI {drift.psi:.3f}"), loc="left", fontsize=10
        )

    return drawn(draw, 4.2, 2.6)


def _category_shares(before: Column, after: Column) -> Mapping[str, tuple[float, float]]:
    """The most frequent values, and the others together."""
    values = np.unique(np.concatenate([before.present, after.present]))
    shares = [
        np.bincount(np.searchsorted(values, column.present), minlength=len(values)) / max(len(column.present), 1)
        for column in (before, after)
    ]
    if len(values) > CATEGORIES_SHOWN:
        # where the two differ most, not what is most frequent
        shown = np.sort(np.argsort(-np.abs(shares[0] - shares[1]), kind="stable")[:CATEGORIES_SHOWN])
    else:
        shown = np.arange(len(values))
    return {_label(before, values[at]): (float(shares[0][at]), float(shares[1][at])) for at in shown}


def _label(column: Column, value: float) -> str:
    return str(column.vocabulary[int(value)]) if column.vocabulary else f"{value:g}"


def _bars(axes: Axes, shares: Mapping[str, tuple[float, float]]) -> None:
    position = np.arange(len(shares))
    axes.bar(position - 0.2, [before for before, _ in shares.values()], 0.4, color=PALE)
    axes.bar(position + 0.2, [after for _, after in shares.values()], 0.4, color=ACCENT)
    axes.set_xticks(position, list(shares), rotation=45 if len(shares) > 8 else 0)
    if len(shares) == CATEGORIES_SHOWN:
        axes.set_xlabel(f"the {len(shares)} values that moved most")


def _steps(axes: Axes, before: Column, after: Column) -> None:
    # a handful of far values would press all others into one step
    both = np.concatenate([np.quantile(column.present, [0.005, 0.995]) for column in (before, after)])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1, STEPS + 1)
    for column, color in ((before, PALE), (after, ACCENT)):
        counts, _ = np.histogram(column.present, edges)
        filled = column is before
        axes.stairs(counts / len(column.present), edges, color=color, fill=filled, linewidth=1.6)
    axes.set_ylim(bottom=0)


def error_by_day(days: Sequence[Day], version: str, promised: float, unit: str) -> str:
    """Live RMSE of the version day by day, beside the promised one; as champion and as challenger alike."""
    own = [day for day in days if day.version == version and day.rmse is not None]

    def draw(axes: Axes) -> None:
        position = np.arange(len(own))
        axes.plot(position, [day.rmse or 0.0 for day in own], color=ACCENT, marker="o", markersize=4)
        axes.axhline(promised, color=INK, linewidth=1, linestyle="--")
        _day_ticks(axes, [f"{day.day:%m-%d}" for day in own])
        axes.set_xlim(-0.6, len(own) - 0.4)
        axes.set_ylim(0, 1.2 * max([promised, *(day.rmse or 0.0 for day in own)]))
        axes.set_ylabel(f"RMSE ({unit}s)")
        axes.set_title("Error by day; dashed: what was promised", loc="left", fontsize=10)

    return drawn(draw, 4.2, 2.6)


def predictions_by_day(days: Sequence[Day]) -> str:
    """Predictions that were answered, and those of them whose outcome is known."""
    names = sorted({day.day for day in days})
    champions = [[entry for entry in days if entry.day == name and entry.role == "champion"] for name in names]

    def draw(axes: Axes) -> None:
        position = np.arange(len(names))
        axes.bar(position, [sum(e.predictions for e in entries) for entries in champions], color=PALE, label="answered")
        axes.bar(
            position, [sum(e.outcomes for e in entries) for entries in champions], 0.4, color=INK, label="outcome known"
        )
        _day_ticks(axes, [f"{name:%m-%d}" for name in names])
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
        axes.set_title("Predictions by day", loc="left", fontsize=10)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1))
        axes.margins(y=0.3)

    return drawn(draw, 4.2, 2.6)


def _day_ticks(axes: Axes, names: Sequence[str]) -> None:
    every = max(1, -(-len(names) // 8))
    axes.set_xticks(range(0, len(names), every), names[::every])
