"""What ``usecase.yaml`` may say. Its JSON Schema is made from these models."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from contract.fields import NAME
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    StringConstraints,
    Tag,
    model_validator,
)

from trainer.modelling.parameters import Boosting
from trainer.usecase.features import AnyFeature
from trainer.usecase.hooks import Hooks

LABEL = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
REASON = r"^[a-z][a-z0-9_]{0,62}$"
VARIABLE = r"^[A-Z][A-Z0-9_]{0,99}$"
FUNCTION = r"^[a-z][a-z0-9_]{0,62}$"
CRON = r"^\S+( \S+){4}$"

Text = Annotated[str, StringConstraints(pattern=NAME)]
"""A column's or a field's name."""
Reason = Annotated[str, StringConstraints(pattern=REASON)]
Function = Annotated[str, StringConstraints(pattern=FUNCTION)]
"""A function's name in hooks.py."""
Expression = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""Of SQL, as DuckDB has it."""

ColumnType = Literal["number", "integer", "text", "timestamp", "boolean"]
Period = Literal["day", "week", "month", "all"]

EPOCHS = ("epoch seconds", "epoch milliseconds")
"""Formats of times that are numbers."""


def _text_of_a_day(given: Any) -> Any:
    # YAML takes a day for a date, and a month or a week for a text
    return given.isoformat() if isinstance(given, date) else given


DayText = Annotated[str, BeforeValidator(_text_of_a_day)]


class Part(BaseModel):
    """A part of the file: immutable, and it refuses what it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Files(Part):
    """Files that a table is read from."""

    files: str | list[str] = Field(
        description="A file, a folder, a glob, an address (http, https, s3), or a list of these; paths are relative to "
        "the repository's folder. With {period} in it, each period has a file of its own."
    )
    first: DayText | None = Field(
        None, description="First period that there is behind an address with {period}, which nobody can list."
    )
    format: Literal["csv", "parquet", "json", "arrow"] | None = Field(
        None, description="Without, the files' names say it. CSV and JSON lines may be gzipped."
    )
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(",", description="Of CSV.")
    quote: Annotated[str, StringConstraints(max_length=1)] = Field('"', description="Of CSV; empty for none.")
    decimal: Literal[".", ","] = Field(".", description="Before the decimals of a number in CSV.")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = Field("utf-8", description="Of CSV.")
    missing: list[str] = Field(["", "NA"], description="Texts of CSV and JSON that stand for no value.")


class Query(Part):
    """A query on a PostgreSQL database."""

    url: Annotated[str, StringConstraints(pattern=VARIABLE)] = Field(
        description="Name of the environment variable that has the database's URL, which is a secret: see sources.env."
    )
    query: str = Field(
        min_length=1,
        max_length=100_000,
        description="One SELECT, with the columns of the table. :start and :end, if it has them, are the first moment "
        "of the oldest period that may have changed, and one after all.",
    )


class Generated(Part):
    """Rows that a function of hooks.py gives."""

    hook: Function
    arguments: dict[Function, str | int | float | bool] = Field({}, description="What the function is given by name.")


def _kind_of_source(given: Any) -> str:
    keys = given if isinstance(given, Mapping) else vars(given) if isinstance(given, Part) else ()
    if "hook" in keys:
        return "Generated"
    return "Query" if "query" in keys or "url" in keys else "Files"


AnySource = Annotated[
    Annotated[Files, Tag("Files")] | Annotated[Query, Tag("Query")] | Annotated[Generated, Tag("Generated")],
    Discriminator(_kind_of_source),
]


class Column(Part):
    """A column of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    type: ColumnType
    spellings: list[Text] | None = Field(
        None, alias="from", description="Names that the column has in files, the first that a file has counts."
    )
    sql: Expression | None = Field(None, description="Its value, from the columns that have no sql themselves.")
    format: str | None = Field(
        None,
        description="Of times that are texts, such as %d.%m.%Y (strptime's letters), or `epoch seconds`, or `epoch "
        "milliseconds`. Without, ISO 8601.",
    )
    missing: list[str] = Field([], description="More texts that stand for no value in this column.")


class Table(Part):
    """What a row is."""

    time: Text | None = Field(None, description="Column with the moment when the event begins.")
    timezone: str | None = Field(None, description="Whose clock the times show. Times with an offset become its.")
    period: Period = Field("all", description="What is loaded, replaced and judged together.")
    key: list[Text] = Field([], description="Columns that make a row itself: no two rows have the same.")
    group: list[Text] = Field(
        [], description="Columns of which rows with the same values stay together when rows are split."
    )
    columns: dict[Text, Column] = Field(min_length=1, max_length=1_000)
    reject: dict[Reason, Expression] = Field(
        {}, description="Rows that can't be true, by the reason: kept apart when they are loaded."
    )
    leave_out: dict[Reason, Expression] = Field(
        {}, description="Rows that are true, but that a model shall not learn from, nor be judged on."
    )


class Target(Part):
    """What is predicted."""

    column: Text
    unit: str = Field("", max_length=40, description="Of the prediction, such as USD.")
    description: str = ""
    minimum: float | None = Field(None, description="No value lies below it.")


class NumberField(Part):
    """A number."""

    type: Literal["number"]
    description: str = ""
    required: bool = True
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    example: float | None = None


class IntegerField(Part):
    """A whole number."""

    type: Literal["integer"]
    description: str = ""
    required: bool = True
    unit: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    example: int | None = None


class CategoryField(Part):
    """One of the values that are listed."""

    type: Literal["category"]
    description: str = ""
    required: bool = True
    values: list[str] | list[int] = Field(min_length=1, max_length=20_000)
    unknown: Literal["reject", "missing"] = Field(
        "missing", description="Whether another value is refused, or counts as missing."
    )
    example: str | int | None = None


class TimestampField(Part):
    """A moment on a wall clock."""

    type: Literal["timestamp"]
    description: str = ""
    required: bool = True
    timezone: str | None = Field(None, description="Whose clock; without, the table's.")
    minimum: datetime | None = None
    maximum: datetime | None = None
    example: datetime | None = None


AnyField = Annotated[NumberField | IntegerField | CategoryField | TimestampField, Field(discriminator="type")]


class Cut(Part):
    """A way to cut rows into parts other than by a category: one of its keys says it."""

    hour: Text | None = Field(None, description="A timestamp field: by its hour.")
    weekday: Text | None = Field(None, description="A timestamp field: by its day of the week.")
    month: Text | None = Field(None, description="A timestamp field: by its month.")
    bands: Text | None = Field(None, description="A number field, cut `at` some of its values.")
    at: list[float] = Field([], max_length=100, description="Where `bands` begin, in order.")
    hook: Function | None = Field(None, description="A function of hooks.py: Arrow table to the part of each row.")

    @model_validator(mode="after")
    def _one_way(self) -> "Cut":
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'no way to cut'}: one of {', '.join(WAYS)} says it")
        if bool(self.at) != (self.bands is not None):
            raise ValueError("has `bands` and `at` together, or neither")
        if any(high <= low for low, high in zip(self.at, self.at[1:], strict=False)):
            raise ValueError("has an `at` that isn't in order")
        return self

    @property
    def way(self) -> tuple[str, str]:
        """Which key says it, and what it says."""
        return next((name, given) for name in WAYS if (given := getattr(self, name)) is not None)


WAYS = ("hour", "weekday", "month", "bands", "hook")


def _kind_of_cut(given: Any) -> str:
    return "field" if isinstance(given, str) else "Cut"


AnyCut = Annotated[Annotated[Text, Tag("field")] | Annotated[Cut, Tag("Cut")], Discriminator(_kind_of_cut)]


class Judge(Part):
    """How a model is judged before it is served."""

    holdout: int = Field(1, ge=1, le=366, description="Newest periods that judge, which training never sees.")
    share: float = Field(
        0.2, gt=0, lt=0.9, description="Of rows that judge, where there are no periods: chosen by their key."
    )
    slices: list[AnyCut] = Field(
        [], description="Category fields, or other cuts: a new model may be worse in none of their parts."
    )
    at_least: dict[Literal["r2"], float] = Field({}, description="What a model must reach on the holdout.")
    at_most: dict[Literal["rmse", "mae"], Annotated[float, Field(gt=0)]] = Field(
        {}, description="Errors on the holdout that a model must keep below, in the target's unit."
    )
    baselines: list[Function] = Field(
        [],
        description="Functions of hooks.py: simple predictors that a model must beat, beside the mean of the training "
        "rows.",
    )


class TableBoosting(Boosting):
    """XGBoost's parameters, with defaults that do well on tables of many kinds: benchmarks/tables.md."""

    max_depth: int = Field(6, ge=1, le=16, description="Levels of a tree.")
    reg_lambda: float = Field(1, ge=0, description="L2 regularisation of leaf values.")
    max_rounds: int = Field(500, ge=1, le=20_000, description="Trees at most.")


class Train(Part):
    """How a model is trained."""

    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = Field(None, description="Cron, in UTC.")
    last: int = Field(2, ge=1, le=1_000, description="Newest periods before the holdout that it learns from.")
    most_rows: int | None = Field(
        None,
        ge=1_000,
        description="Of more rows, in training and holdout together, about so many are drawn, the same each time. "
        "Without, as many as have 10 million values together: a million rows of 10 columns.",
    )
    boosting: TableBoosting = TableBoosting()


class Ingest(Part):
    """When rows are loaded."""

    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = Field(None, description="Cron, in UTC.")


class Monitor(Part):
    """When what is asked and answered is held against the training."""

    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = Field("30 * * * *", description="Cron, in UTC.")


class Outcomes(Part):
    """How what came true is found among rows that come later."""

    match_on: list[Text] = Field(
        min_length=1, description="Fields by which a later row is known as what a request asked about."
    )
    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = Field(None, description="Cron, in UTC.")


def _kind_of_features(given: Any) -> str:
    return "auto" if isinstance(given, str) else "list"


AnyFeatures = Annotated[
    Annotated[Literal["auto"], Tag("auto")] | Annotated[list[AnyFeature], Tag("list")],
    Discriminator(_kind_of_features),
]


class Declaration(Part):
    """The whole of ``usecase.yaml``."""

    name: Annotated[str, StringConstraints(pattern=LABEL)] = Field(
        description="Of the folder, the registered model and the deployments."
    )
    description: str = ""
    task: Literal["regression"] = "regression"
    sources: dict[Annotated[str, StringConstraints(pattern=LABEL)], AnySource] = Field(
        min_length=1, description="Where rows come from. The first is the default."
    )
    table: Table
    target: Target
    fields: dict[Text, AnyField] = Field(
        min_length=1,
        max_length=1_000,
        description="What a request has: columns of the table that are known beforehand.",
    )
    features: AnyFeatures = "auto"
    judge: Judge = Judge()
    train: Train = Train()
    ingest: Ingest = Ingest()
    monitor: Monitor = Monitor()
    outcomes: Outcomes | None = None

    _hooks: Hooks = PrivateAttr(default_factory=lambda: Hooks(None))

    @property
    def hooks(self) -> Hooks:
        """The Python beside the file."""
        return self._hooks

    def beside(self, hooks: Hooks) -> "Declaration":
        """The same with the Python that lies beside its file."""
        found = self.model_copy()
        found._hooks = hooks  # noqa: SLF001  (a copy of this class)
        return found
