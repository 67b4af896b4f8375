"""What a person may choose about the gate; the Prefect UI shows it as a form."""

from pydantic import BaseModel, ConfigDict, Field


class Terms(BaseModel):
    """What a candidate has to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Of the interval by which the candidate's error must be lower."
    )
    resamples: int = Field(1_000, ge=200, le=20_000, description="Of the holdout, for that interval.")
    most_slice_loss: float = Field(
        0.05, ge=0, le=1, description="By which share the error may be higher than the champion's in any slice."
    )
    least_rows: int = Field(1_000, ge=2, description="Of the holdout; with fewer nothing is decided.")
    serves_first: bool = Field(
        False, description="Whether a first model is served although the holdout has too few rows to judge it by."
    )
    least_slice_rows: int = Field(300, ge=2, description="Of a slice; a smaller one is shown, but decides nothing.")
    least_unexplained: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of the outcome's variance that is left at least; a model that leaves less has seen it.",
    )
