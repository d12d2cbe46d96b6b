"""Claims through the client: held for as long as the block lasts, given back behind it, lost ones told."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lending.client import AsyncLedgerClient, ClaimLost, LedgerClient
from tests.api.served import Api
from tests.api.test_reading import worker
from tests.api.test_work import CLAIMS, applied, settled


@pytest.fixture
async def working(shared: Api) -> AsyncIterator[Api]:
    """The served ledger with its projection worker."""
    async with worker(shared):
        yield shared


async def held_now(api: Api) -> list[str]:
    items: list[dict[str, Any]] = (await api.client.get(CLAIMS)).json()["items"]
    return [item["claim_id"] for item in items]


async def test_with_asyncio_a_claim_outlives_its_term_and_ends_with_its_block(working: Api) -> None:
    await applied(working, 2)
    await settled(working)
    async with AsyncLedgerClient(str(working.client.base_url)) as client:
        waiting = [task async for task in client.waiting()]
        assert len(waiting) == 2
        async with client.claim(waiting[0].role, 2, 1) as held:
            first, second = held.claims
            assert {str(first.claim_id), str(second.claim_id)} == set(await held_now(working))
            await asyncio.sleep(1.6)
            held.require(first)
            assert len(await held_now(working)) == 2
            await held.done(first)
            assert await held_now(working) == [str(second.claim_id)]
            await working.client.delete(f"{CLAIMS}/{second.claim_id}")
            await asyncio.sleep(0.6)
            with pytest.raises(ClaimLost):
                held.require(second)
        assert await held_now(working) == []


async def test_blocking_a_claim_outlives_its_term_and_ends_with_its_block(working: Api) -> None:
    await applied(working, 1)
    await settled(working)
    entered, leave = threading.Event(), threading.Event()

    def work() -> int:
        with LedgerClient(str(working.client.base_url)) as client:
            role = next(iter(client.waiting())).role
            with client.claim(role, 1, 1) as held:
                entered.set()
                leave.wait(30)
                held.require(held.claims[0])
                return len(held.claims)

    working_on_it = asyncio.create_task(asyncio.to_thread(work))
    await asyncio.to_thread(entered.wait, 30)
    await asyncio.sleep(1.6)
    assert len(await held_now(working)) == 1
    leave.set()
    assert await working_on_it == 1
    assert await held_now(working) == []
