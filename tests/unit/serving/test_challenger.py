"""Which version the recorder asks beside the one that answers."""

from pathlib import Path
from typing import Any

import pytest
from serving.recorder.challenger import RETRY_LOOKS, Challenger
from serving.store import ModelStore
from serving.trial import try_here


@pytest.fixture
def challenger(registry: Any, tmp_path: Path) -> Challenger:
    """Its alias is the registry's."""
    return Challenger(registry, ModelStore(tmp_path / "store", "bike-demand", 2, try_here, most_bytes=1 << 20))


def version(challenger: Challenger) -> str | None:
    return challenger.served.record.version if challenger.served else None


def test_it_follows_the_alias_and_loads_a_version_once(challenger: Challenger, registry: Any) -> None:
    challenger.look()
    assert version(challenger) is None
    registry.alias = "2"
    challenger.look()
    loaded = challenger.served
    challenger.look()
    assert version(challenger) == "2"
    assert challenger.served is loaded
    registry.alias = "3"
    challenger.look()
    assert version(challenger) == "3"
    registry.alias = None
    challenger.look()
    assert version(challenger) is None


def test_it_stays_while_the_registry_is_away(challenger: Challenger, registry: Any) -> None:
    registry.alias = "2"
    challenger.look()
    registry.reachable = False
    challenger.look()
    assert version(challenger) == "2"
    registry.reachable, registry.alias, registry.breaks_at = True, "3", "model.ubj"
    challenger.look()
    assert version(challenger) == "2"
    registry.breaks_at = None
    challenger.look()
    assert version(challenger) == "3"


def test_one_that_is_damaged_is_not_asked_and_is_tried_again_now_and_then(
    challenger: Challenger,
    registry: Any,
    damaged: Path,
    bundles: dict[str, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.alias = "2"
    challenger.look()
    registry.folders["4"], registry.alias = damaged, "4"
    challenger.look()
    assert version(challenger) is None
    registry.downloads.clear()
    for _ in range(RETRY_LOOKS - 1):
        challenger.look()
    assert not registry.downloads
    challenger.look()
    assert registry.downloads
    registry.folders["4"] = bundles["3"]
    for _ in range(RETRY_LOOKS):
        assert version(challenger) is None
        challenger.look()
    assert version(challenger) == "4"
    assert caplog.text.count("the challenger 4 can't be loaded: version 4 is damaged") == 1
