"""Every event arrives at least once, in order for each application, whatever receivers do and
whoever dies.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from lending.domain.application.commands import AddNote
from lending.runtime.settings import Settings
from lending.service.ledger import Ledger
from lending.service.subscription import EVERYTHING
from lending.service.webhooks.model import Form, Registration, Webhook
from tests.ledgers import Issuer, opened_ledger
from tests.service.test_handle import APPLY
from tests.webhooks.receivers import (
    Late,
    Misbehaviour,
    Reaction,
    Received,
    Receiver,
    receiving,
    verified_by,
)

pytestmark = pytest.mark.anyio
APPLICATIONS = 12
NOTES = 12


class Moody:
    """A receiver's mood: mostly it takes what it gets. Seeded."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, _: Received) -> Reaction:
        """What it does this time."""
        chance = self._random.random()
        if chance < 0.02:
            return Misbehaviour.HANG
        if chance < 0.04:
            return Late(200, 1.2)
        if chance < 0.12:
            return Misbehaviour.CLOSE
        if chance < 0.20:
            return self._random.choice([500, 503, 429, 404, 301])
        if chance < 0.25:
            return Late(200, self._random.uniform(0, 0.3))
        return 204


class Process:
    """A process that sends webhooks."""

    def __init__(self, process: asyncio.subprocess.Process, owner: UUID) -> None:
        self.process = process
        self.owner = owner

    async def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def sending(database_url: str, data_dir: Path) -> AsyncIterator[Process]:
    """A process that sends, inside the block; it must stop cleanly unless it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.webhooks.sending", database_url, str(data_dir),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            owner = (await process.stdout.readline()).decode().strip()
        yield Process(process, UUID(owner))
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def opened(database_url: str, data_dir: Path) -> AbstractAsyncContextManager[Ledger]:
    """The ledger in the test's process, which sends nothing itself."""
    settings = Settings(
        database_url=database_url, data_dir=data_dir, webhooks_private_addresses=True
    )
    return opened_ledger(database_url, data_dir, settings=settings)


def holders(database_url: str) -> set[UUID]:
    """Who has leased a webhook."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select lease_owner from webhooks.endpoints"
            " where leased_until > clock_timestamp() and lease_owner is not null"
        )
        return {row[0] for row in rows}


async def the_holder(database_url: str, processes: Sequence[Process]) -> Process:
    """Which of the processes works on the webhooks, or on one of them; leases pass over in time."""
    async with asyncio.timeout(30):
        while True:
            held = holders(database_url)
            for each in processes:
                if each.owner in held:
                    return each
            await asyncio.sleep(0.05)


async def register(ledger: Ledger, receiver: Receiver) -> tuple[Webhook, str]:
    asked = Registration(url=receiver.url, description=None, wanted=EVERYTHING, form=Form.EVENT)
    return await ledger.webhooks.register(asked, by="local", after=None)


async def issue(ledger: Ledger, seed: int) -> None:
    """Events of several applications, mixed."""
    issuer, chance = Issuer(ledger), random.Random(seed)
    applied = [await issuer(APPLY) for _ in range(APPLICATIONS)]
    streams = [answer.application_id for answer in applied for _ in range(NOTES)]
    chance.shuffle(streams)
    for number, stream in enumerate(streams):
        await issuer(AddNote(text=f"note {number}"), stream)
        await asyncio.sleep(0.01)


async def expected(database_url: str, after: int) -> set[int]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select position from ledger.loan_events where position > %s", [after]
        )
        return {row[0] for row in rows}


def check(receiver: Receiver, wanted: set[int], secret: str) -> None:
    """Everything came, and in order for each application by the time it first came."""
    first = receiver.first_taken()
    assert {position for _, _, position in first} == wanted
    assert len(first) == len(wanted)
    by_application: dict[str, list[int]] = {}
    for _, application_id, position in first:
        by_application.setdefault(application_id, []).append(position)
    for positions in by_application.values():
        assert positions == sorted(positions)
    assert all(verified_by(secret, one) for one in receiver.taken)


@pytest.mark.parametrize("seed", [1, 2])
async def test_an_unreliable_receiver_gets_everything_in_order(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    async with opened(database_url, tmp_path) as ledger, receiving(Moody(seed)) as receiver:
        webhook, secret = await register(ledger, receiver)
        async with sending(database_url, tmp_path):
            await issue(ledger, seed)
            wanted = await expected(database_url, webhook.cursor.position)
            await receiver.until(lambda: len(receiver.first_taken()) >= len(wanted), 60)
        check(receiver, wanted, secret)
    assert len(receiver.requests) > len(wanted)


async def test_when_processes_die_others_go_on_and_nothing_is_lost_or_out_of_order(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        opened(database_url, tmp_path) as ledger,
        receiving(Moody(3)) as receiver,
        receiving() as steady,
    ):
        webhook, secret = await register(ledger, receiver)
        _, steady_secret = await register(ledger, steady)
        async with sending(database_url, tmp_path) as one, sending(database_url, tmp_path) as two:
            issuing = asyncio.create_task(issue(ledger, 3))
            await receiver.until_taken(40)
            first = await the_holder(database_url, [one, two])
            await first.kill()
            await issuing
            async with sending(database_url, tmp_path) as three:
                before = len(receiver.taken)
                await receiver.until_taken(before + 20)
                left = [each for each in (one, two, three) if each is not first]
                second = await the_holder(database_url, left)
                await second.kill()
                wanted = await expected(database_url, webhook.cursor.position)
                for each in (receiver, steady):
                    await each.until(lambda it=each: len(it.first_taken()) >= len(wanted), 60)  # type: ignore[misc]
        check(receiver, wanted, secret)
        check(steady, wanted, steady_secret)
