"""Sixteen agents race for the same tasks: each is done once, none is held by two at a time, and what a
killed agent held is done by the others.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import httpx2
import orjson
import psycopg
import pytest

from tests.serving import Served
from tests.work.racer import Held, Racer, race, read

pytestmark = pytest.mark.anyio
AGENTS = 16
HOARD = 20
HOARD_SECONDS = 6
APPLY = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}
CONTEXT = {"kind": "customer_context", "facts": {"employer": "verified"}}
HANDS = 24
"""Applications that are opened at a time."""


@pytest.mark.slow
async def test_each_of_600_tasks_is_done_once(
    served: Callable[..., Served], database_url: str, tmp_path: Path
) -> None:
    await everything_is_done_once(served, database_url, tmp_path, 600)


@pytest.mark.chaos
async def test_each_of_2000_tasks_is_done_once(
    served: Callable[..., Served], database_url: str, tmp_path: Path
) -> None:
    await everything_is_done_once(served, database_url, tmp_path, 2_000)


async def everything_is_done_once(
    served: Callable[..., Served], database_url: str, tmp_path: Path, count: int
) -> None:
    urls = [served().base_url, served("--no-worker").base_url]
    items = await open_applications(urls, count)
    journals = [tmp_path / f"agent-{number}.jsonl" for number in range(AGENTS)]
    hoarder = Racer(
        name="hoarder", urls=urls, journal=str(journals[0]), seed=0, at_once=HOARD,
        seconds=HOARD_SECONDS, hoards=True,
    )  # fmt: skip
    await killed_with_claims(hoarder, journals[0])
    racers = [
        Racer(
            name=f"agent {number}",
            urls=urls,
            journal=str(journals[number]),
            seed=number,
            at_once=1 + number % 6,
            seconds=2 + number % 4,
            gives_back=20,
            dawdles=5,
        )
        for number in range(1, AGENTS)
    ]
    await asyncio.gather(*map(race, racers))
    seen = [held for journal in journals for held in read(journal)]
    assert {held.application_id for held in read(journals[0])} <= items
    assert scores(database_url) == dict.fromkeys(items, 1)
    done = Counter(held.application_id for held in seen if held.done_at is not None)
    assert done == dict.fromkeys(items, 1)
    for item in items:
        assert overlaps([held for held in seen if held.application_id == item]) == []


async def open_applications(urls: Sequence[str], count: int) -> set[str]:
    """So many applications that wait for a score; their ids."""
    numbers, ids = iter(range(count)), set()

    async def hand(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            for _ in numbers:
                opened = await client.post("/loan/applications", json=APPLY)
                path = opened.headers["location"]
                assert (await client.post(f"{path}/context", json=CONTEXT)).status_code == 200
                ids.add(opened.json()["application_id"])

    await asyncio.gather(*(hand(urls[number % len(urls)]) for number in range(HANDS)))
    async with httpx2.AsyncClient(base_url=urls[0], timeout=60) as client:
        position = (await client.get(f"/loan/events?after=0:{2 * count}")).json()["position"]
        fresh = f"/loan/applications?limit=1&min_position={position}"
        answer = await client.get(fresh, headers={"prefer": "wait=30"})
        assert answer.status_code == 200, answer.text
    return ids


async def killed_with_claims(racer: Racer, journal: Path) -> None:
    """Start a racer that takes and does nothing, and kill it when it has taken."""
    task = orjson.dumps(asdict(racer)).decode()
    process = subprocess.Popen([sys.executable, "-m", "tests.work.racer", task])
    try:
        deadline = time.monotonic() + 30
        while len(read(journal)) < HOARD:
            assert process.poll() is None
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def scores(database_url: str) -> dict[str, int]:
    """How often each application was scored."""
    query = """
        select application_id::text, count(*) filter (where event_type = 'scored')
        from ledger.loan_events where event_type in ('applied', 'scored') group by application_id
    """
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute(query).fetchall())


def overlaps(claims: Sequence[Held]) -> list[tuple[Held, Held]]:
    """The claims on one task that began before the one before them ended, or after it was done."""
    in_order = sorted(claims, key=lambda held: held.claimed_at)
    wrong = []
    for before, after in pairwise(in_order):
        ended = before.released_at or before.expires_at
        done = before.done_at is not None and before.done_at < after.claimed_at
        if done or after.claimed_at < ended:
            wrong.append((before, after))
    return wrong
