"""One stack for all tests of this folder."""

from collections.abc import Iterator

import pytest
from pipelines import running
from usecase_stack import Tables


@pytest.fixture(scope="package")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    root = tmp_path_factory.mktemp("tables")
    (root / "usecases").mkdir()
    with running(
        root / "stack",
        ROUNDHOUSE_USECASES=str(root / "usecases"),
        SERVING_MODEL_NAME="rentals",
        TRAINER_RETRAINING_COOL_DOWN_HOURS="0",
    ) as pipeline:
        yield Tables(pipeline, root)
