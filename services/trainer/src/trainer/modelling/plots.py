"""Pictures of a model, as PNG files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xgboost
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.modelling.evaluation import Predicted, measure

INK = "#1f3a5f"
ACCENT = "#c8553d"


def draw(
    folder: Path, holdout: Predicted, hours: NDArray[np.int64] | None, booster: xgboost.Booster, what: str
) -> None:
    """All pictures of a model, into a folder.

    Args:
        hours: hour of day of each row of the holdout, 0 to 23, shape (n,); None for no picture by hour.
        what: the outcome and its unit, for the axes.
    """
    predicted_against_actual(folder / "predicted_against_actual.png", holdout, what)
    if hours is not None:
        residuals_by_hour(folder / "residuals_by_hour.png", hours, holdout.residuals, what)
    feature_importance(folder / "feature_importance.png", booster.get_score(importance_type="total_gain"))


def predicted_against_actual(path: Path, holdout: Predicted, what: str) -> None:
    """Density of all rows of the holdout, with the diagonal that a perfect model would lie on."""
    actual, predicted = holdout.actual, holdout.predicted
    rmse = measure(actual, predicted).rmse
    figure, axes = _figure(
        f"Holdout: predicted against actual (RMSE {rmse:.2f})", f"actual {what}", f"predicted {what}"
    )
    low, top = (float(value) for value in np.quantile(np.concatenate([actual, predicted]), [0.001, 0.999]))
    bottom = min(low, 0.0)
    extent = (bottom, top, bottom, top)
    density = axes.hexbin(actual, predicted, gridsize=60, extent=extent, bins="log", cmap="Blues", mincnt=1)
    axes.plot([bottom, top], [bottom, top], color=ACCENT, linewidth=1)
    figure.colorbar(density, label="rows (log scale)")
    figure.savefig(path, dpi=110)


def residuals_by_hour(path: Path, hours: NDArray[np.int64], residuals: NDArray[np.float32], what: str) -> None:
    """Median, middle half and middle 80% of actual - predicted for each hour of day.

    Args:
        hours: 0 to 23, shape (n,).
        residuals: shape (n,), in the outcome's unit.
    """
    figure, axes = _figure("Holdout: residuals by hour", "hour of day", f"actual - predicted {what}")
    present = np.unique(hours)
    bands = np.array([np.quantile(residuals[hours == hour], [0.1, 0.25, 0.5, 0.75, 0.9]) for hour in present]).T
    axes.fill_between(present, bands[0], bands[4], color=INK, alpha=0.15, label="80% of rows")
    axes.fill_between(present, bands[1], bands[3], color=INK, alpha=0.3, label="50% of rows")
    axes.plot(present, bands[2], color=ACCENT, label="median")
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xticks(range(0, 24, 3))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def feature_importance(path: Path, gains: Mapping[str, float]) -> None:
    """Each feature's share of the total gain of all splits."""
    figure, axes = _figure("Feature importance", "share of total gain", "")
    total = sum(gains.values()) or 1.0
    ordered = sorted(gains.items(), key=lambda item: item[1])
    bars = axes.barh([name for name, _ in ordered], [gain / total for _, gain in ordered], color=INK)
    axes.bar_label(bars, fmt="{:.1%}", padding=3)
    axes.margins(x=0.12)
    figure.savefig(path, dpi=110)


def _figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    # a figure of its own, not pyplot's: that keeps global state and looks for a display
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
