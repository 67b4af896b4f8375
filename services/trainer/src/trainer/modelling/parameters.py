"""What a person may choose about boosting; the Prefect UI shows it as a form."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Boosting(BaseModel):
    """XGBoost's parameters, with defaults that do well on taxi trips."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(0.1, gt=0, le=1, description="How much of each tree is added (eta).")
    max_depth: int = Field(8, ge=1, le=16, description="Levels of a tree.")
    min_child_weight: float = Field(10, ge=0, description="Rows that a leaf needs at least.")
    reg_lambda: float = Field(5, ge=0, description="L2 regularisation of leaf values.")
    subsample: float = Field(0.9, gt=0, le=1, description="Share of rows that each tree sees.")
    colsample_bytree: float = Field(1.0, gt=0, le=1, description="Share of features that each tree sees.")
    max_rounds: int = Field(2_000, ge=1, le=20_000, description="Trees at most.")
    early_stopping_rounds: int = Field(30, ge=1, description="Trees without a better validation error before it stops.")

    def for_xgboost(self, seed: int) -> dict[str, Any]:
        rounds = {"max_rounds", "early_stopping_rounds"}
        return {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "seed": seed,
            **self.model_dump(exclude=rounds),
        }
