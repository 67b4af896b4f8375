"""The walk that this processor runs, and the one by AVX-512 with its instructions emulated, which runs everywhere."""

from collections.abc import Callable
from typing import Any

import pytest
import walks


@pytest.fixture(scope="session")
def emulated_walk(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The type ``Walk`` of a build whose AVX-512 instructions are functions."""
    return walks.load(walks.build_emulated(tmp_path_factory.mktemp("emulated")))


@pytest.fixture(params=["processor", pytest.param("emulated", marks=pytest.mark.thorough)])
def walk(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> str:
    """How ``treewalk.Forest`` walks batches in this test: one of the names in ``walks``."""
    name = walks.NATIVE if walks.processor_ranks() else walks.SCALAR
    if request.param == "emulated":
        name = walks.EMULATED
        monkeypatch.setattr("treewalk.forest.Walk", request.getfixturevalue("emulated_walk"))
    record_property("path", f"walk: {name}")
    return name
