"""When a task's earlier result still holds: same inputs, same code.

Prefect's own ``TASK_SOURCE`` sees the task's function alone; what that calls may have changed, and a feature computed
by old code beside new code would be training/serving skew. So the key has the source of all modules that prepare data.
"""

import base64
import hashlib
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq
from prefect.cache_policies import INPUTS, CachePolicy
from prefect.context import TaskRunContext
from prefect.serializers import Serializer

KEPT = timedelta(days=14)
"""How long results, checkpoints and features are kept."""

PACKAGES = ("contract", "trainer.data", "trainer.modelling", "trainer.usecase", "trainer.usecases.trips")


@cache
def source_digest(packages: tuple[str, ...] = PACKAGES) -> str:
    """sha256 (hex) of the source of packages."""
    digest = hashlib.sha256()
    for package in packages:
        modules = (module for module in files(package).iterdir() if module.name.endswith(".py"))
        for module in sorted(modules, key=lambda module: module.name):
            digest.update(f"{package}/{module.name}\n".encode())
            digest.update(module.read_bytes())
    return digest.hexdigest()


class _Source(CachePolicy):
    """A cache policy that changes with the code."""

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        return source_digest()


class Cached(TypedDict):
    cache_policy: CachePolicy
    cache_expiration: timedelta
    persist_result: bool


CACHED = Cached(cache_policy=INPUTS + _Source(), cache_expiration=KEPT, persist_result=True)


class ParquetSerializer(Serializer):  # not Serializer[pa.Table]: Prefect would register that as a type of its own
    """Keeps an Arrow table as Parquet: typed, compressed, and nothing that could be executed."""

    type: str = "parquet"

    def dumps(self, obj: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(obj, sink, compression="zstd")
        # Prefect keeps a result inside a JSON record
        return base64.b64encode(sink.getvalue())

    def loads(self, blob: bytes) -> pa.Table:
        return pq.read_table(pa.BufferReader(base64.b64decode(blob)))
