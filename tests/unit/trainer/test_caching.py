"""When an earlier result still holds."""

from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest
from trainer.flows import caching
from trainer.flows.caching import ParquetSerializer, source_digest


def test_the_source_of_everything_that_makes_features_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "operations.py"
    module.write_text("hour = lambda t: t // 3600")
    monkeypatch.setattr(caching, "files", lambda _package: tmp_path)
    before = source_digest.__wrapped__()
    module.write_text("hour = lambda t: t // 3600 % 24")

    assert source_digest.__wrapped__() != before


def test_the_packages_that_count_hold_code() -> None:
    for package in caching.PACKAGES:
        assert any(path.name.endswith(".py") for path in files(package).iterdir())


def test_a_table_survives_the_cache_with_its_types() -> None:
    table = pa.table({"a": pa.array([1, None], pa.int32()), "t": pa.array([0, 1], pa.timestamp("us"))})
    blob = ParquetSerializer().dumps(table)

    blob.decode("ascii")  # Prefect keeps it inside JSON
    assert ParquetSerializer().loads(blob).equals(table)
