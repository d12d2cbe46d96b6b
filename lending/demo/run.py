"""The demonstration from beginning to end: applications come in, agents work, the ledger tells."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from lending.client import (
    AsyncLedgerClient,
    Configuration,
    LedgerError,
    Patience,
    Unanswered,
    Unauthenticated,
)
from lending.demo.agents import AGENTS, PEOPLE
from lending.demo.customers import OF_ONE_PRINCIPAL, STORIES
from lending.demo.errors import DemoFailed
from lending.demo.office import Desk, Found, Office, apply, apply_the_others, before, work
from lending.demo.tell import check_order, tell

FINISHED_WITHIN_SECONDS: Final = 120.0
BUILD: Final = "demo/1"
INTAKE: Final = "intake-agent"
ONE_PRINCIPAL: Final = (
    "one key speaks for all agents, and who scores may not decide: only customers come whom the"
    " policy decides about"
)


async def demonstrate(
    url: str,
    *,
    credential: str | None = None,
    applications: int,
    console: Console,
    chance: random.Random,
) -> None:
    """Carry applications through the ledger at `url`, and print what it then shows.

    With a credential all agents are one principal to the ledger, which lets nobody decide what it
    has scored: then the policy decides. Raises `DemoFailed`.
    """
    run = f"demo-{chance.getrandbits(32):08x}"
    stories = STORIES if credential is None else OF_ONE_PRINCIPAL
    office = Office(run, applications, lambda: datetime.now(UTC).date(), console, stories)
    if credential is not None:
        console.print(ONE_PRINCIPAL, highlight=False)
    async with AsyncExitStack() as stack:
        desks = {
            name: Desk(
                name,
                await stack.enter_async_context(
                    AsyncLedgerClient(
                        Configuration(
                            url=url,
                            credential=credential,
                            on_behalf_of=name,
                            agent_build=None if name in PEOPLE else f"{name} {BUILD}",
                            chance=chance.uniform,
                        )
                    )
                ),
            )
            for name in AGENTS
        }
        await _greet(url)
        try:
            start = await _carry_through(office, desks)
            found = sorted(office.finished.values(), key=_number)
            await tell(desks[INTAKE].client, found, console)
            await check_order(desks[INTAKE].client, start, console)
        except Unauthenticated:
            raise DemoFailed(_unknown(url)) from None
        except LedgerError as error:
            raise DemoFailed(str(error)) from error


def _unknown(url: str) -> str:
    return (
        f"{url} does not know who asks: set LENDING_API_KEY to a key that is good, of the roles"
        " intake, context, risk, underwriter and servicing and acting for anybody;"
        " `lending keys create` makes one"
    )


async def _greet(url: str) -> None:
    patience = Patience(attempts_max=1)
    async with AsyncLedgerClient(Configuration(url=url, patience=patience)) as client:
        try:
            await client.alive()
        except Unanswered:
            raise DemoFailed(
                f"nothing answers at {url}; start the ledger with `make run` or `lending serve`, "
                "or let the demonstration start one of its own: lending demo --self-contained"
            ) from None


async def _carry_through(office: Office, desks: Mapping[str, Desk]) -> str:
    """Let everybody work at once until every application needs nobody any more.

    Returns the cursor behind which all of it stands in the feed.
    """
    start = before(await apply(office, desks[INTAKE], 0))
    try:
        async with asyncio.timeout(FINISHED_WITHIN_SECONDS), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work(office, desks[name], agent, start))
                for name, agent in AGENTS.items()
            ]
            tasks.append(group.create_task(apply_the_others(office, desks[INTAKE])))
            await office.all_finished.wait()
            for task in tasks:
                task.cancel()
    except TimeoutError:
        raise DemoFailed(
            f"{len(office.finished)} of {office.applications} applications came to an end "
            f"within {FINISHED_WITHIN_SECONDS:.0f} seconds"
        ) from None
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return start


def _number(found: Found) -> int:
    return int(found.reference.rpartition("/")[2])
