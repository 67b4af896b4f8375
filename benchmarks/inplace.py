"""XGBoost alone, without a server: what a batch of ready-made features costs, and what a loaded model takes.

A process of its own, so that it can be pinned: ``python -m benchmarks.inplace <bundle> <features.npy>
<predictions.npy> <seconds>`` prints a line of JSON.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from contract import booster

from benchmarks.exchange import RELATIVE_TOLERANCE
from benchmarks.load import Failed
from benchmarks.model import Subject, xgboost_booster
from benchmarks.processes import MEGABYTE

COPIES = 5
"""Further models that are loaded, as our service does it, to see what one takes: the first brings libraries too."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """One run."""

    rate: float
    """Rows a second of ``inplace_predict`` with one thread."""
    model_mb: float
    """What a model adds to a process of our service that has its libraries."""


def measure(subject: Subject, folder: Path, core: int, seconds: float) -> InProcess:
    """Raises Failed if the predictions differ."""
    features, predictions = folder / "features.npy", folder / "predictions.npy"
    np.save(features, subject.features)
    np.save(predictions, subject.predictions)
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "benchmarks.inplace", str(subject.folder)]
    command += [str(features), str(predictions), str(seconds)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise Failed(f"inplace_predict: {finished.stderr}")
    return InProcess(**json.loads(finished.stdout))


def main(folder: Path, features_path: Path, predictions_path: Path, seconds: float) -> None:
    features, expected = np.load(features_path), np.load(predictions_path)
    model = xgboost_booster(folder)
    if not np.allclose(model.inplace_predict(features), expected, rtol=RELATIVE_TOLERANCE, atol=0):
        sys.exit("the predictions differ")
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        model.inplace_predict(features)
        taken.append(time.perf_counter() - begin)
    rate = len(features) / median(taken)
    sys.stdout.write(json.dumps({"rate": rate, "model_mb": _megabytes_of_one(folder)}))


def _megabytes_of_one(folder: Path) -> float:
    process = psutil.Process()
    _ = booster.load(folder).rows
    before = process.memory_info().rss
    models = [booster.load(folder) for _ in range(COPIES)]
    for model in models:
        _ = model.rows
    return float((process.memory_info().rss - before) / MEGABYTE / len(models))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
