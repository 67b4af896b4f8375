"""What a training run tells people: an artifact in Prefect and a notification."""

from dataclasses import dataclass

from trainer.flows.handover import Decision, Evaluation, FeatureSet, Registered
from trainer.gate.rendering import table

SPLITS = ("train", "validation", "holdout")
FIGURES = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "p90_error": "P90 error"}


@dataclass(frozen=True)
class Report:
    """Everything about one finished run."""

    plan: object
    """Which rows it learnt from and was judged on; its text is shown."""
    features: FeatureSet
    evaluation: Evaluation
    registered: Registered
    decision: Decision
    mlflow_ui: str
    experiment_id: str
    promoted: str = "is champion and served"
    """What is said of a version that was promoted."""
    rows: str = "rows"
    """What rows are called."""
    periods: str = "Periods"
    """What periods are called, at a sentence's beginning."""
    unit: str = ""
    """Of the errors, as it stands after a number; empty for none."""

    @property
    def subject(self) -> str:
        outcome = self.promoted if self.decision.promoted else "was not promoted"
        return f"{self.registered.model} version {self.registered.version} {outcome}"

    @property
    def summary(self) -> str:
        rmse = self.evaluation.metrics["holdout_rmse"]
        error = f"holdout RMSE {rmse:.3f}{self._of_unit}"
        return f"{self.decision.reason}. {self.periods} {self.plan}, {error}. {self.run_url}"

    @property
    def _of_unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    @property
    def run_url(self) -> str:
        return f"{self.mlflow_ui}/#/experiments/{self.experiment_id}/runs/{self.registered.run_id}"

    @property
    def version_url(self) -> str:
        return f"{self.mlflow_ui}/#/models/{self.registered.model}/versions/{self.registered.version}"

    @property
    def markdown(self) -> str:
        used, metrics = self.features.rows, self.evaluation.metrics
        interval = self.evaluation.interval
        lines = [
            f"# {self.subject}",
            f"{self.decision.reason[:1].upper()}{self.decision.reason[1:]}.",
            f"[Run in MLflow]({self.run_url}) · [Version in the registry]({self.version_url})",
            f"## Errors{f' in {self.unit}' if self.unit else ''}",
            table(["split", *FIGURES.values()], [_row(split, metrics) for split in SPLITS]),
            f"Always saying the mean: holdout RMSE {metrics['holdout_rmse_of_the_mean']:.3f}. "
            f"{metrics['holdout_interval_coverage']:.1%} of the holdout lies in the promised "
            f"{interval.coverage:.0%} interval ({interval.lower:+.1f} to {interval.upper:+.1f}{self._of_unit}).",
            "## Data",
            f"{self.periods} {self.plan}: {used.training.rows:,} {self.rows} to learn from, {used.holdout.rows:,} to be"
            " judged on.",
            table(["left out because", self.rows], [[why, f"{count:,}"] for why, count in used.left_out.items()])
            if used.left_out
            else f"None of the {self.rows} was left out.",
        ]
        return "\n\n".join(lines)


def _row(split: str, metrics: dict[str, float]) -> list[str]:
    return [split, *(f"{metrics[f'{split}_{name}']:.3f}" for name in FIGURES)]
