"""Lines from one process to another through memory that both share: a ring, with one writer and one reader.

The lines are for Postgres' COPY: fields with tabs between them.
"""

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linering._ring import Ring
else:
    try:
        from linering._ring import Ring
    except ImportError:  # installed without a compiler
        Ring = None

__all__ = ["Ring", "new"]


def new(kind: bytes, size: int) -> Ring | None:
    """A ring that processes forked from this one share with it.

    Args:
        kind: First field of every line.
        size: Bytes of lines that it holds.

    Returns:
        None where the package was installed without a compiler.

    Raises:
        ValueError: ``kind`` or ``size`` is of no use.
    """
    if Ring is None:
        return None
    return Ring(mmap.mmap(-1, Ring.HEADER_BYTES + size), kind)
