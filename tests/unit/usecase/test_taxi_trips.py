"""What a declaration can say: the taxi trips, which were Python before there were declarations, to the same bits."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trainer.data.months import Month
from trainer.data.source import MonthFile
from trainer.data.tlc import TlcFolder
from trainer.modelling.examples import featurise
from trainer.usecase.cleaning import clean
from trainer.usecase.contracts import fit_contract
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Asked
from trainer.usecase.reading import read
from trainer.usecase.rows import Counted, opened_rows
from trainer.usecase.splitting import ordered
from trainer.usecases.trips import features as trips
from trainer.usecases.trips.clean import clean as clean_trips
from trainer.usecases.trips.ingestion import sift_parts
from trainer.usecases.trips.synthetic import Synthetic

DECLARED = Path(__file__).parents[2] / "support" / "taxi-trips"
REAL = Path(os.environ.get("ROUNDHOUSE_TLC_DATA", "/nonexistent"))

needs_real_files = pytest.mark.skipif(not REAL.is_dir(), reason="ROUNDHOUSE_TLC_DATA names no folder with real files")


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    return read(DECLARED)


def by_declaration(declaration: Declaration, folder: Path, months: list[Month]) -> tuple[list[Counted], pa.Table]:
    """What becomes of the rows of each month, and the clean ones, in order."""
    named = [str(folder / f"green_tripdata_{month}.parquet") for month in months]
    counted, tables = [], []
    for month, path in zip(months, named, strict=True):
        source = declaration.sources["files"].model_copy(update={"files": path.replace(str(month), "{period}")})
        with opened_rows(declaration, source, folder, asked=Asked()) as rows:
            counts = rows.counts()
            table = rows.table_with_periods()
        counted.append(counts[date.fromisoformat(f"{month}-01")])
        wanted = pa.array([date.fromisoformat(f"{month}-01")])
        tables.append(table.filter(pa.compute.is_in(table["_period"], value_set=wanted)))
    return counted, ordered(declaration, clean(declaration, pa.concat_tables(tables))[0])


def assert_same(declaration: Declaration, folder: Path, files: list[tuple[Month, MonthFile]]) -> None:
    sifted = [list(sift_parts(file, month)) for month, file in files]
    python = clean_trips(pa.concat_tables([part.accepted for parts in sifted for part in parts]))[0]
    counted, declared = by_declaration(declaration, folder, [month for month, _ in files])
    for parts, counts in zip(sifted, counted, strict=True):
        assert counts.accepted == sum(part.accepted.num_rows for part in parts)
        assert counts.read == sum(part.accepted.num_rows + part.rejected.num_rows for part in parts)
    assert declared.num_rows == python.num_rows > 1_000
    ours = featurise(fit_contract(declaration, declared), declared)
    theirs = featurise(trips.fit_contract(python), python)
    assert ours.names == theirs.names
    assert np.array_equal(ours.outcome.view(np.uint32), theirs.outcome.view(np.uint32))
    assert np.array_equal(ours.features.view(np.uint32), theirs.features.view(np.uint32))


def test_generated_months_with_all_their_faults_give_the_same_features_to_the_bit(
    declaration: Declaration, tmp_path: Path
) -> None:
    months = [Month(2021, 1), Month(2021, 2)]
    source = Synthetic(rows=20_000)
    assert_same(declaration, tmp_path, [(month, source.fetch("green", month, tmp_path)) for month in months])


@needs_real_files
@pytest.mark.parametrize("month", ["2021-01", "2021-02", "2023-01", "2023-02", "2025-01"])
def test_real_months_give_the_same_rows_and_the_same_features_to_the_bit(declaration: Declaration, month: str) -> None:
    chosen = Month.parse(month)
    assert_same(declaration, REAL, [(chosen, TlcFolder(REAL).fetch("green", chosen, REAL))])
