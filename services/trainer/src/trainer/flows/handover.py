"""What one training step hands to the next: small, and shown as JSON; the rows themselves lie in files."""

from pathlib import Path

from contract import Contract, Interval
from pydantic import BaseModel, ConfigDict

from trainer.data.checkpoints import Checkpoint


class Handover(BaseModel):
    model_config = ConfigDict(frozen=True)


class CleanRows(Handover):
    training: Checkpoint
    holdout: Checkpoint
    left_out: dict[str, int]
    """Rows that aren't used, by reason."""

    @property
    def digest(self) -> str:
        """Names both."""
        return f"{self.training.digest[:16]}-{self.holdout.digest[:16]}"


class FeatureSet(Handover):
    """A folder with the examples of each split and the contracts that made them."""

    folder: Path
    rows: CleanRows

    @property
    def fit(self) -> Path:
        """The earlier training rows, which the early-stopping booster learns from."""
        return self.folder / "fit.parquet"

    @property
    def validation(self) -> Path:
        """Later training rows, which tell it when to stop."""
        return self.folder / "validation.parquet"

    @property
    def calibration(self) -> Path:
        """The latest training rows, which tell how wide its interval must be."""
        return self.folder / "calibration.parquet"

    @property
    def training(self) -> Path:
        """All training rows, with tables learnt from them all."""
        return self.folder / "training.parquet"

    @property
    def holdout(self) -> Path:
        """Rows that no step before the evaluation looks at."""
        return self.folder / "holdout.parquet"

    @property
    def contract_path(self) -> Path:
        return self.folder / "contract.json"

    @property
    def contract(self) -> Contract:
        """The unsealed contract of ``training`` and ``holdout``."""
        return Contract.from_json(self.contract_path.read_bytes())


class Candidate(Handover):
    """A fitted booster in the run's folder."""

    run_id: str
    """MLflow's."""
    folder: Path
    rounds: int

    @property
    def model(self) -> Path:
        """Learnt from all training rows."""
        return self.folder / "model.ubj"

    @property
    def early_stopped(self) -> Path:
        """Learnt from the earlier rows alone."""
        return self.folder / "early_stopped.ubj"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"


class Evaluation(Handover):
    metrics: dict[str, float]
    """As in MLflow: ``holdout_rmse``, in the outcome's unit."""
    interval: Interval


class Registered(Handover):
    model: str
    version: str
    run_id: str


class Decision(Handover):
    """Whether a version became champion."""

    version: str
    promoted: bool
    champion_before: str | None
    reason: str
