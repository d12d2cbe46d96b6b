"""What an agent means once is done once: across processes, crashes and cut connections."""

import asyncio
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.api.served import APPLICATIONS, STORY
from tests.http_proxies import Fate, TornHttp, torn_http
from tests.proxies import FLUSH, Cut, CuttingProxy, cutting_proxy
from tests.serving import Served

pytestmark = pytest.mark.anyio
Services = Callable[..., Served]
BULK = "/loan/commands"
AGENTS = 32
LOANS_EACH = 2
LOST = (httpx2.TransportError,)


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        yield Path(name)


def count(database_url: str, condition: str) -> int:
    with psycopg.connect(database_url) as connection:
        query = f"select count(*) from ledger.loan_events where {condition}"
        (found,) = connection.execute(query.encode()).fetchone() or (0,)
    return int(found)


def apply_alone(key: str) -> tuple[str, Any, dict[str, str]]:
    return APPLICATIONS, STORY, {"idempotency-key": key}


def apply_among_many(key: str) -> tuple[str, Any, dict[str, str]]:
    follower = {"command": "decide", "application_of": 0, "idempotency_key": f"{key}-d"}
    first = {"command": "apply", "idempotency_key": key, "body": STORY}
    return BULK, {"commands": [first, follower]}, {}


def apply_all_or_none(key: str) -> tuple[str, Any, dict[str, str]]:
    path, body, headers = apply_among_many(key)
    return path, {**body, "atomic": True}, headers


WAYS = {"alone": apply_alone, "many": apply_among_many, "all": apply_all_or_none}
"""How an apply can be sent. Where nobody is killed, one pair of processes is asked in every way."""


def answers_of(answer: httpx2.Response) -> list[tuple[Any, bool]]:
    """What was answered, command by command, and whether it was given again."""
    assert answer.status_code in (200, 201), answer.text
    body = answer.json()
    if "items" not in body:
        return [(body, "idempotency-replayed" in answer.headers)]
    assert {item["status"] for item in body["items"]} <= {200, 201}, body
    return [(i["body"], "Idempotency-Replayed" in i["headers"]) for i in body["items"]]


async def test_two_processes_asked_at_the_same_moment_do_it_once_and_answer_the_same(
    served: Services, database_url: str
) -> None:
    services = [served("--no-worker"), served("--no-worker")]
    async with httpx2.AsyncClient(timeout=60) as client:
        for number, (name, way) in product(range(8), WAYS.items()):
            path, body, headers = way(f"{name}-{number}")
            one, two = await asyncio.gather(
                *(client.post(s.base_url + path, json=body, headers=headers) for s in services)
            )
            for (first, again), (other, also) in zip(answers_of(one), answers_of(two), strict=True):
                assert first == other
                assert [again, also].count(True) == 1
    assert count(database_url, "event_type = 'applied'") == 8 * len(WAYS)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_crash_between_commit_and_answer_is_made_good_by_another_process(
    served: Services,
    database_url: str,
    short_directory: Path,
    way: Callable[[str], tuple[str, Any, dict[str, str]]],
) -> None:
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        crashing, other = served("--no-worker", DATABASE_URL=through), served("--no-worker")
        proxy.on_commit_cut = crashing.process.kill
        path, body, headers = way("k")
        proxy.arm(Cut.AFTER_COMMIT, 1)
        async with httpx2.AsyncClient(timeout=60) as client:
            with pytest.raises(LOST):
                await client.post(crashing.base_url + path, json=body, headers=headers)
            assert crashing.process.wait(20) == -9
            before = count(database_url, "true")
            again = await client.post(other.base_url + path, json=body, headers=headers)
    assert all(replayed for _, replayed in answers_of(again))
    assert count(database_url, "true") == before
    assert count(database_url, "event_type = 'applied'") == 1


async def test_who_asks_again_while_the_first_is_under_way_waits_for_its_answer(
    served: Services, database_url: str, short_directory: Path
) -> None:
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        slow, other = served("--no-worker", DATABASE_URL=through), served("--no-worker")
        async with httpx2.AsyncClient(timeout=60) as client:
            for name, way in WAYS.items():
                await asked_again(client, proxy, slow, other, way(name))
        for service in (slow, other):  # while the database is there, since it takes longer without
            assert await asyncio.to_thread(service.stop) == 0
    assert count(database_url, "event_type = 'applied'") == len(WAYS)


async def asked_again(
    client: httpx2.AsyncClient,
    proxy: CuttingProxy,
    slow: Served,
    other: Served,
    request: tuple[str, Any, dict[str, str]],
) -> None:
    """One who asks first and whose flush is held up, and two who ask the same meanwhile."""
    path, body, headers = request
    stall = proxy.stall(FLUSH)

    def ask(service: Served) -> "asyncio.Task[httpx2.Response]":
        asked = client.post(service.base_url + path, json=body, headers=headers)
        return asyncio.create_task(asked)

    first = ask(slow)
    assert await asyncio.to_thread(stall.reached.wait, 20)
    second, third = ask(other), ask(slow)
    await asyncio.sleep(1)
    assert not second.done()
    assert not third.done()
    stall.released.set()
    answers = [answers_of(answer) for answer in await asyncio.gather(first, second, third)]
    assert not any(replayed for _, replayed in answers[0])
    for again in answers[1:]:
        assert [body for body, _ in again] == [body for body, _ in answers[0]]
        assert all(replayed for _, replayed in again)


class Agent:
    """Carries loans to payment over connections that break, and repeats what it is unsure of."""

    def __init__(self, name: str, ways_in: list[TornHttp], seed: int) -> None:
        self._name = name
        self._ways_in = ways_in
        self._chance = random.Random(seed)
        self.answers: dict[str, list[Any]] = defaultdict(list)

    async def work(self) -> None:
        """Each loan alone or among many, some commands repeated though they were answered."""
        for number in range(LOANS_EACH):
            name = f"{self._name}-{number}"
            if self._chance.random() < 0.5:
                await self._one_by_one(name)
            else:
                await self._at_once(name)

    async def _one_by_one(self, name: str) -> None:
        opened = await self._until_answered(APPLICATIONS, STORY, f"{name}-0")
        path = f"{APPLICATIONS}/{opened['application_id']}"
        for step, (suffix, body) in enumerate(
            [("/decision", None), ("/offers", {"amount": 12000}), ("/offers/1/acceptance", None),
             ("/disbursements", None)], 1,
        ):  # fmt: skip
            await self._until_answered(path + suffix, body, f"{name}-{step}")

    async def _at_once(self, name: str) -> None:
        commands: list[dict[str, Any]] = [
            {"command": "apply", "body": STORY}, {"command": "decide"},
            {"command": "make_offer", "body": {"amount": 12000}},
            {"command": "accept_offer", "body": {"offer_id": "1"}}, {"command": "disburse"},
        ]  # fmt: skip
        commands = [
            {**one, "idempotency_key": f"{name}-{step}"} | ({"application_of": 0} if step else {})
            for step, one in enumerate(commands)
        ]
        while True:
            answer = await self._sent(BULK, {"commands": commands}, {})
            items = [] if answer is None or answer.status_code != 200 else answer.json()["items"]
            for one, item in zip(commands, items, strict=False):
                if item["status"] in (200, 201):
                    self.answers[one["idempotency_key"]].append(item["body"])
                else:
                    assert item["body"]["retryable"], item
            settled = items and all(item["status"] in (200, 201) for item in items)
            if settled and self._chance.random() < 0.7:
                return

    async def _until_answered(self, path: str, body: Any, key: str) -> dict[str, Any]:
        while True:
            answer = await self._sent(path, body, {"idempotency-key": key})
            if answer is None:
                continue
            if answer.status_code not in (200, 201):
                assert answer.json()["retryable"], answer.text
                continue
            found: dict[str, Any] = answer.json()
            self.answers[key].append(found)
            if self._chance.random() < 0.7:
                return found

    async def _sent(self, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response | None:
        """The answer, None where it was lost on its way."""
        url = self._chance.choice(self._ways_in).url + path
        given = {} if body is None else {"json": body}
        try:
            async with httpx2.AsyncClient(timeout=30) as client:
                return await client.post(url, headers={**headers, "connection": "close"}, **given)
        except LOST:
            return None


async def test_each_intended_command_is_done_once_and_each_key_answered_the_same(
    served: Services, database_url: str
) -> None:
    services = [served("--no-worker"), served("--no-worker")]
    async with AsyncExitStack() as stack:
        ways_in = [
            await stack.enter_async_context(torn_http(service.base_url, seed, broken_percent=40))
            for seed, service in enumerate(services)
        ]
        agents = [Agent(f"agent {n}", ways_in, n) for n in range(AGENTS)]
        await asyncio.gather(*(agent.work() for agent in agents))
        for way_in in ways_in:
            assert all(way_in.fates[fate] > 10 for fate in Fate)
    loans = AGENTS * LOANS_EACH
    for event_type in ("applied", "decided", "offered", "offer_accepted", "disbursed"):
        assert count(database_url, f"event_type = '{event_type}'") == loans
    keys = {key: answers for agent in agents for key, answers in agent.answers.items()}
    assert len(keys) == 5 * loans
    assert sum(len(answers) for answers in keys.values()) > len(keys)
    for key, answers in keys.items():
        assert all(answer == answers[0] for answer in answers), key
