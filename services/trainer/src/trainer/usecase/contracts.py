"""The contract of a use case's models."""

from collections.abc import Iterator

import pyarrow as pa
from contract import Contract, Output
from contract import fields as contract_fields

from trainer.usecase.declaration import (
    CategoryField,
    Declaration,
    IntegerField,
    NumberField,
    TimestampField,
)
from trainer.usecase.features import learn

NO_EXAMPLE = "2024-05-01T08:00:00"


def fields_of(declaration: Declaration) -> Iterator[contract_fields.AnyField]:
    """The fields of a request, as the contract has them."""
    for name, field in declaration.fields.items():
        described = {
            "name": name,
            "description": field.description or name,
            "required": field.required,
        }
        match field:
            case NumberField():
                yield contract_fields.Number(
                    **described, unit=field.unit, minimum=field.minimum, maximum=field.maximum, example=_number(field)
                )
            case IntegerField():
                yield contract_fields.Integer(
                    **described,
                    unit=field.unit,
                    minimum=field.minimum,
                    maximum=field.maximum,
                    example=int(_number(field)),
                )
            case CategoryField():
                yield contract_fields.Category(
                    **described,
                    values=field.values,
                    unknown=field.unknown,
                    example=field.values[0] if field.example is None else field.example,
                )
            case TimestampField():
                shown = field.example or field.minimum
                yield contract_fields.Timestamp(
                    **described,
                    timezone=field.timezone or declaration.table.timezone,
                    minimum=field.minimum,
                    maximum=field.maximum,
                    example=shown.isoformat() if shown else NO_EXAMPLE,
                )


def output_of(declaration: Declaration) -> Output:
    target = declaration.target
    return Output(name=target.column, unit=target.unit, description=target.description, minimum=target.minimum)


def fit_contract(declaration: Declaration, rows: pa.Table) -> Contract:
    """The contract, unsealed, with what its features learn from clean rows, which must not be those that judge it."""
    fields = list(fields_of(declaration))
    return Contract(
        name=declaration.name,
        description=declaration.description,
        fields=fields,
        features=learn(declaration.features, fields, rows, declaration.target.column, declaration.hooks),
        output=output_of(declaration),
    )


def _number(field: NumberField | IntegerField) -> float:
    if field.example is not None:
        return field.example
    return field.minimum if field.minimum is not None else field.maximum if field.maximum is not None else 0
