"""Rows of a month told apart, between the use case that tells them and the warehouse that keeps them."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Sifted:
    """Some rows of a month's file, all of them or a part."""

    accepted: pa.Table
    """The trips and ``file_row``, the row's number in the file, from 0."""
    rejected: pa.Table
    """The other rows, also with ``file_row``, and their ``reason``."""
    reasons: dict[str, int]
    """Rejected rows by reason, most frequent first."""
