"""What a person may ask of a search; the Prefect UI shows it as a form."""

from pydantic import BaseModel, ConfigDict, Field


class Search(BaseModel):
    """A search for better parameters than those given, which are its first trial."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int | None = Field(
        None,
        ge=0,
        le=1_000,
        description="Parameters to try, with those that an earlier run of the same search has tried; 0 for no search, "
        "empty for the deployment's setting.",
    )
    seconds: int = Field(600, ge=1, le=86_400, description="Time for it; what isn't done then is left.")
    parallel: int = Field(2, ge=1, le=16, description="Trials at the same time, which share the machine's cores.")
