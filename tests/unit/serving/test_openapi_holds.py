"""schemathesis against the whole API: what the OpenAPI page says holds, and what it forbids is refused."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from serving_servers import bike_settings, listening

RULES = Path(__file__).with_name("schemathesis.toml")
FORMATS = Path(__file__).parents[2] / "support" / "schemathesis_formats.py"
EXAMPLES = 50


@pytest.fixture
async def address(tmp_path: Path, run_dir: Path, registry: Any) -> AsyncIterator[str]:
    """Of a service that follows an alias which points to version 1."""
    registry.alias = "1"
    async with listening(bike_settings(tmp_path, run_dir, poll_seconds=0.1), registry) as found:
        yield found


async def test_schemathesis_finds_nothing(address: str) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(RULES), "run", f"{address}/openapi.json"]
    options = ["--header", "Authorization: Bearer secret", "--wait-for-schema", "20", "--no-color"]
    options += ["--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_formats", "PYTHONPATH": str(FORMATS.parent)}
    tester = await asyncio.create_subprocess_exec(
        *command, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    output, _ = await tester.communicate()
    assert tester.returncode == 0, output.decode()
    assert "0 skipped" in output.decode() or "skipped" not in output.decode().partition("SUMMARY")[2]
