"""What a person may choose about monitoring; the Prefect UI shows it as a form."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Terms(BaseModel):
    """From where on a difference is an alarm. It always has to be both: large enough, and no chance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_psi: float = Field(
        0.1, gt=0, le=10, description="Population stability index from which a distribution has drifted."
    )
    severe_psi: float = Field(0.2, gt=0, le=10, description="The same from which the report calls it severe.")
    alpha: float = Field(
        0.002,
        gt=0,
        lt=0.5,
        description="Share of monitorings that may see drift where there is none at all; the same for decay.",
    )
    most_error_growth: float = Field(
        0.1, ge=0, le=10, description="By which share the live RMSE may be above the promised one."
    )
    most_slice_growth: float = Field(0.25, ge=0, le=10, description="The same for any slice.")
    most_coverage_loss: float = Field(
        0.03, ge=0, lt=1, description="By how much fewer outcomes may lie in the interval than promised."
    )
    least_slice_rows: int = Field(300, ge=2, description="Of a slice; a smaller one is shown, but raises no alarm.")
    resamples: int = Field(5_000, ge=200, le=50_000, description="Of the outcomes, for the bootstrap of the RMSE.")

    @model_validator(mode="after")
    def _resamples_can_tell(self) -> Self:
        # the smallest p-value there is, corrected for the two tests
        if 2 / (self.resamples + 1) >= self.alpha:
            raise ValueError(f"{self.resamples} resamples can't tell an alpha of {self.alpha:g}")
        return self
