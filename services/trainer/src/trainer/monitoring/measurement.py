"""One number of a monitoring."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["field", "prediction", "feature", "error", "slice", "version", "traffic"]
Measure = Literal["psi", "missing_psi", "missing", "rmse", "mae", "coverage", "rows", "count", "share"]


class Measurement(BaseModel):
    """A row of the warehouse's table ``measurements``."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    name: str
    measure: Measure
    value: float | None
    """None where there is nothing to measure."""
    expected: float | None = None
    """What the reference has, or training promised."""
    threshold: float | None = None
    """From where on it is an alarm, if it is no chance either; None for a number that is only told."""
    p_value: float | None = None
    """Adjusted for all tests of the monitoring."""
    alarm: bool = False
