"""The walk by AVX-512, emulated, under the address and undefined-behaviour sanitizers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sanitizers
import walks
import xgboost

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sanitizers.runtime() is None, reason="the compiler has no address sanitizer"),
]

PROGRAM = Path(walks.__file__).with_name("sanitized_walk.py")
SHAPES = [(256, 8, 4), (1000, 6, 4), (256, 5, 11), (256, 7, 16), (256, 5, 30)]
"""Bins, depth and features: each depth with a table of its own, each number of features that the walk tells apart."""
DAMAGED = 1500


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
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    write_cases(tmp_path)
    library = walks.build_emulated(tmp_path, *sanitizers.FLAGS)
    done = sanitizers.python([PROGRAM, library, tmp_path, str(DAMAGED)], PROGRAM.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(SHAPES)} models walked, {DAMAGED} damaged ones\n"
    record_property("path", f"walk: {walks.SANITIZED}")
