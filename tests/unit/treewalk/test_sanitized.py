"""The walk by AVX-512, emulated, under the address and undefined-behaviour sanitizers."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import walks
import xgboost

pytestmark = pytest.mark.thorough

PROGRAM = Path(walks.__file__).with_name("sanitized_walk.py")
SHAPES = [(256, 8, 4), (1000, 6, 4), (256, 5, 11), (256, 7, 16), (256, 5, 30)]
"""Bins, depth and features: all depths that have a table of their own, all numbers of features that the walk tells apart."""


@pytest.fixture(scope="module")
def runtime() -> str:
    """The address sanitizer's library, which has to be loaded before everything else."""
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    if not Path(found.stdout.strip()).is_absolute():
        pytest.skip("the compiler has no address sanitizer")
    return found.stdout.strip()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, runtime: str) -> Iterator[Path]:
    yield walks.build_emulated(tmp_path_factory.mktemp("sanitized"), *walks.SANITIZERS)


def write_cases(folder: Path) -> None:
    for bins, depth, features in SHAPES:
        rng = np.random.default_rng(bins + depth + features)
        rows = rng.normal(size=(1500, features)).astype(np.float32)
        target = np.sin(rows[:, 0] * 9) * 9 + np.cos(rows.sum(axis=1) * 5) + rows @ np.arange(features)
        rows[rng.random(rows.shape) < 0.2] = np.nan
        parameters = {"max_bin": bins, "max_depth": depth, "min_child_weight": 0, "nthread": 1}
        booster = xgboost.train(parameters, xgboost.DMatrix(rows, target), 6)
        model = np.frombuffer(booster.save_raw("ubj"), np.uint8)
        name = f"{bins}-{depth}-{features}.npz"
        np.savez(folder / name, model=model, rows=rows[:300], expected=booster.inplace_predict(rows[:300]))


def test_no_read_or_write_leaves_its_memory_and_the_bits_are_xgboost_s(
    library: Path, runtime: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    write_cases(tmp_path)
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        # the interpreter itself frees little at its end
        "ASAN_OPTIONS": "detect_leaks=0",
        # each object in memory of its own, or the sanitizer wouldn't see where one ends
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(PROGRAM.parent),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, PROGRAM, library, tmp_path, "1500"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(SHAPES)} models walked, 1500 damaged ones\n"
    record_property("path", f"walk: {walks.SANITIZED}")


def test_the_sanitizers_would_end_the_program(library: Path, runtime: str, tmp_path: Path) -> None:
    symbols = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout
    assert "__asan_report_load" in symbols
    assert "__ubsan_handle" in symbols
