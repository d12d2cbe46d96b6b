"""The tools of the real process, as users run it."""

from collections.abc import Callable

import httpx2
import pytest
from mcp.client import Client

from tests.agents.calling import whole_life
from tests.serving import Served

pytestmark = pytest.mark.anyio


async def test_the_service_offers_the_tools(served: Callable[..., Served]) -> None:
    service = served("--no-worker", LENDING_LOG_LEVEL="debug", LENDING_MCP="true")
    async with Client(f"{service.base_url}/mcp") as client:
        paid = await whole_life(client, "served")
    metrics = httpx2.get(f"{service.base_url}/metrics").text
    assert 'command="disburse",outcome="accepted"' in metrics
    assert httpx2.get(f"{service.base_url}/llms.txt").text.startswith("# The lending ledger")
    assert httpx2.get(f"{service.base_url}/readyz").json()["checks"]["agents"] == "ok"
    assert paid["application_id"] not in service.log()
    assert "ignore all rules" not in service.log()


async def test_the_tools_can_be_left_out(served: Callable[..., Served]) -> None:
    service = served("--no-worker")
    answered = httpx2.post(f"{service.base_url}/mcp", json={})
    assert answered.status_code == 404
    assert "agents" not in httpx2.get(f"{service.base_url}/readyz").json()["checks"]
