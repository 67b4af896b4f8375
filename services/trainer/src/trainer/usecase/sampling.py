"""How many rows a training takes, so that it fits into a worker's memory."""

from trainer.usecase.declaration import Declaration

MOST_VALUES = 10_000_000
"""Rows times columns of the table: 80 MB of numbers, which a training holds several times."""


def most_rows(declaration: Declaration) -> int:
    """Of more rows than these, a training draws so many."""
    return declaration.train.most_rows or max(MOST_VALUES // len(declaration.table.columns), 1_000)
