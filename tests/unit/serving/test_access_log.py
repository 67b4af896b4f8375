"""Which requests the access log has."""

import json
from pathlib import Path
from typing import Any

import pytest
from serving_servers import asking, bike_settings, listening

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
ASKED = [["POST", "/reload", 200], ["POST", "/predict", 200], ["POST", "/predict", 422], ["GET", "/nowhere", 404]]
CALLED_BY_MACHINES = ["GET", "/health/live", 200]


@pytest.mark.parametrize(
    ("level", "expected"),
    [("DEBUG", [*ASKED, CALLED_BY_MACHINES]), ("INFO", ASKED), ("WARNING", []), ("ERROR", [])],
)
async def test_its_level_says_whether_there_is_one(
    level: str,
    expected: list[Any],
    tmp_path: Path,
    run_dir: Path,
    registry: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SERVING_LOG_LEVEL", level)
    settings = bike_settings(tmp_path, run_dir)
    async with listening(settings, registry) as address, asking(address) as client:
        await client.post("/reload", json={"version": 1}, headers={"Authorization": "Bearer secret"})
        await client.post("/predict", json=ROW)
        await client.post("/predict", json={})
        await client.get("/nowhere")
        await client.get("/health/live")
    # at its end the service has written all that it was to write
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [[line["method"], line["path"], line["status"]] for line in lines] == expected
