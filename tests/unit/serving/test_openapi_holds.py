"""schemathesis against the whole API: what an OpenAPI page says holds, and what it forbids is refused."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import open_inference_api
import pytest
from pydantic import SecretStr
from serving_servers import bike_settings, listening

pytestmark = pytest.mark.thorough

RULES = Path(__file__).with_name("schemathesis.toml")
FORMATS = Path(__file__).parents[2] / "support" / "schemathesis_formats.py"
EXAMPLES = 50
MODEL = "bike-demand"


@pytest.fixture
async def address(tmp_path: Path, run_dir: Path, registry: Any) -> AsyncIterator[str]:
    """Of a service that follows an alias which points to version 1; its warehouse is away."""
    registry.alias = "1"
    away = SecretStr("postgresql://serving:secret@127.0.0.1:9/warehouse")
    settings = bike_settings(
        tmp_path, run_dir, poll_seconds=0.1, warehouse_url=away, webhook_secret=SecretStr("another")
    )
    async with listening(settings, registry) as found:
        yield found


async def schemathesis(folder: Path, page: str | Path, *options: str) -> None:
    """Fails with its findings; what it writes stays in the folder."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(RULES), "run", str(page), *options]
    command += ["--header", "Authorization: Bearer secret", "--no-color", "--max-examples", str(EXAMPLES)]
    command += ["--seed", "1", "--generation-database", "none"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_formats", "PYTHONPATH": str(FORMATS.parent)}
    tester = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment, cwd=folder
    )
    output, _ = await tester.communicate()
    assert tester.returncode == 0, output.decode()
    counted = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", output.decode())
    assert counted is not None, output.decode()
    assert len(set(counted.groups())) == 1, "not all operations were tested"


async def test_the_services_own_page_holds(address: str, tmp_path: Path) -> None:
    await schemathesis(tmp_path, f"{address}/openapi.json", "--wait-for-schema", "20")


async def test_the_page_of_the_open_inference_protocol_holds(address: str, tmp_path: Path) -> None:
    page = tmp_path / "open-inference.json"
    page.write_text(json.dumps(open_inference_api.document(MODEL, "1")))
    await schemathesis(tmp_path, page, "--url", address)
