"""contract.json: what a model takes, how that becomes features, and what comes out."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationError, model_validator

from contract.errors import FieldProblem, InvalidInput, MalformedContract, NewerFormat
from contract.features import Features
from contract.fields import AnyField, Document, RawField
from contract.names import check_model_name
from contract.operations import AnyOperation

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1

MOST_FIELDS = 2_000
MOST_FEATURES = 10_000
MOST_FILES = 16


class Interval(Document):
    """Where the outcome lies with the stated probability, as offsets from the prediction in the output's unit."""

    coverage: float = Field(gt=0, lt=1)
    lower: float
    upper: float


class Output(Document):
    """What a prediction is."""

    name: str
    unit: str
    description: str = ""
    minimum: float | None = None
    """No outcome lies below it. It bounds the interval; the prediction stays what the booster says."""
    interval: Interval | None = None

    def around(self, prediction: float) -> tuple[float, float] | None:
        """The interval of one prediction, or None for a model without one."""
        if self.interval is None:
            return None
        low, high = prediction + self.interval.lower, prediction + self.interval.upper
        if self.minimum is not None:
            low = min(max(low, self.minimum), prediction)
        return low, high


class Contract(Document):
    """The whole document. ``files`` is empty until ``contract.bundle.write`` seals it."""

    format_version: int = FORMAT_VERSION
    name: Annotated[str, AfterValidator(check_model_name)]
    """The registered model's name: see ``check_model_name``."""
    description: str = ""
    fields: list[AnyField] = Field(min_length=1, max_length=MOST_FIELDS)
    features: list[AnyOperation] = Field(min_length=1, max_length=MOST_FEATURES)
    """In the order of the booster's columns."""
    output: Output
    files: dict[str, str] = Field(default_factory=dict, max_length=MOST_FILES)
    """sha256 (hex) of every other file of the bundle, by name."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for kind, names in (("field", [f.name for f in self.fields]), ("feature", [f.name for f in self.features])):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{kind} {twice[0]!r} is defined twice")
        for feature in self.features:
            for name in feature.inputs:
                field = self.by_name.get(name)
                if field is None:
                    raise ValueError(f"feature {feature.name!r} reads {name!r}, which is no field")
                if not isinstance(field, feature.takes):
                    kind = type(field).__name__.lower()
                    raise ValueError(f"feature {feature.name!r}: {feature.op} doesn't work on the {kind} {name!r}")
            feature.check(self.by_name)
        return self

    @cached_property
    def by_name(self) -> dict[str, RawField]:
        return {field.name: field for field in self.fields}

    @cached_property
    def compiled(self) -> Features:
        return Features(self.by_name, self.features)

    def row(self, values: Mapping[str, Any]) -> NDArray[np.float32]:
        """Features of one validated row (``contract.rows``), float32 of shape (1, number of features)."""
        return self.compiled.row(values)

    def matrix(self, table: "pa.Table") -> NDArray[np.float32]:
        """Features of a table with the raw fields as columns, float32 of shape (n, number of features).

        Columns that are no field are ignored, so that a table may hold the outcome too; an optional field may have
        no column.

        Raises:
            InvalidInput: a required column is absent, or a value isn't allowed.
        """
        from contract import columns  # pyarrow is loaded by those only who have columns

        absent = [f for f in self.fields if f.required and f.name not in table.column_names]
        if absent:
            raise InvalidInput(
                [FieldProblem(field.name, "is missing: no such column", field.allowed) for field in absent]
            )
        encoded = {
            field.name: columns.encode_column(field, table[field.name])
            if field.name in table.column_names
            else np.full(table.num_rows, field.missing)
            for field in self.fields
        }
        return self.compiled.matrix(encoded)

    def example(self) -> dict[str, Any]:
        """A request made of each field's example."""
        return {field.name: field.example for field in self.fields}

    def sealed(self, files: Mapping[str, str]) -> "Contract":
        return self.model_copy(update={"files": dict(files)})

    def promising(self, interval: Interval) -> "Contract":
        """The contract with an interval around its predictions."""
        return self.model_copy(update={"output": self.output.model_copy(update={"interval": interval})})

    def to_json(self) -> bytes:
        return (
            json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False) + "\n"
        ).encode()

    @property
    def digest(self) -> str:
        """sha256 (hex) of the document; since it holds the hashes of all other files, it names the whole bundle."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, text: bytes) -> "Contract":
        """Reads a contract.

        Raises:
            NewerFormat: a later release wrote it.
            MalformedContract: anything else that isn't as it must be, with the place.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MalformedContract("document", f"isn't JSON: {error}") from error
        if not isinstance(document, dict):
            raise MalformedContract("document", f"is {type(document).__name__}, not an object")
        version = document.get("format_version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise MalformedContract("format_version", f"is {version!r}, not a whole number from 1")
        if version > FORMAT_VERSION:
            raise NewerFormat(version, FORMAT_VERSION)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise MalformedContract(where, first["msg"]) from error
