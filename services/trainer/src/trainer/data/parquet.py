"""Is it the Parquet file that it should be?"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.data.errors import NotParquet, TruncatedFile

MAGIC = b"PAR1"


def check_parquet(path: Path, uri: str) -> None:
    """Looks at the file's two ends.

    Args:
        uri: where it came from, for the error.

    Raises:
        NotParquet: it is something else.
        TruncatedFile: it begins as Parquet, and its footer is gone or damaged.
    """
    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
    size = path.stat().st_size
    if begins != MAGIC:
        raise NotParquet(uri, size)
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise TruncatedFile(uri, size, str(error).splitlines()[0]) from error
