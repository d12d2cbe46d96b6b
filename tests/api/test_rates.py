"""Who asks too often is told to wait, for how long, and is let in again."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lending.runtime.settings import Settings
from tests.api.served import APPLICATIONS, STORY, Api, problem, served_api

pytestmark = pytest.mark.anyio
BURST = 20
PER_SECOND = 10


@pytest.fixture
async def limited(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A ledger with a low rate."""
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        rate_limit_per_second=PER_SECOND,
        rate_limit_burst=BURST,
    )
    async with served_api(database_url, tmp_path, settings=settings) as api:
        yield api


async def test_too_many_requests_are_refused_until_time_has_passed(limited: Api) -> None:
    answers = [await limited.post(APPLICATIONS, STORY) for _ in range(3 * BURST)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert 0 < len(refused) <= 2 * BURST
    for answer in refused:
        assert problem(answer, 429, "rate_limited")["retryable"] is True
        assert answer.headers["retry-after"] == "1"
    assert limited.count("ledger.loan_events where event_type = 'applied'") == 60 - len(refused)
    await asyncio.sleep(int(refused[-1].headers["retry-after"]))
    assert (await limited.post(APPLICATIONS, STORY)).status_code == 201


async def test_reading_counts_as_well_and_asking_how_the_service_is_does_not(limited: Api) -> None:
    found = {(await limited.get("/loan/events")).status_code for _ in range(3 * BURST)}
    assert found == {200, 429}
    for path in ("/livez", "/metrics"):
        assert (await limited.get(path)).status_code == 200


async def test_a_bulk_costs_as_much_as_its_commands_alone(limited: Api) -> None:
    def many(commands: int) -> dict[str, Any]:
        return {"commands": [{"command": "apply", "body": STORY}] * commands}

    assert (await limited.post("/loan/commands", many(100))).status_code == 200
    refused = await limited.post(APPLICATIONS, STORY)
    problem(refused, 429, "rate_limited")
    assert 7 <= int(refused.headers["retry-after"]) <= 9
    assert limited.count("ledger.loan_events where event_type = 'applied'") == 100


async def test_a_slow_bulk_body_does_not_hold_up_others(shared: Api) -> None:
    with socket.create_connection(("127.0.0.1", shared.port)) as slow:
        slow.sendall(
            b"POST /loan/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"commands"'
        )
        assert (await shared.post(APPLICATIONS, STORY)).status_code == 201
