"""One import from beginning to end: read, plan, publish the product, send, compare, print."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from lending.client import Forbidden, LedgerError, NotFound, Refused, Unauthenticated
from lending.imports import progress
from lending.imports.errors import NotAdmitted, ProductNotPublished, ServiceFailed
from lending.imports.fannie_mae.files import read_mortgages
from lending.imports.fannie_mae.outcome import outcome
from lending.imports.fannie_mae.product import NAME, PRODUCT, VERSION
from lending.imports.fannie_mae.report import print_outcome
from lending.imports.fannie_mae.requests import AGENT_BUILD, Planned, Told, planned, requests
from lending.imports.report import print_commands
from lending.imports.sender import Sender, greet

WINDOW_COMMANDS: Final = 20
"""Commands of one request: each has the whole loan computed anew, so a request of them takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which files to import, of them how many mortgages, whereto, and as whom."""

    acquisition: Path
    performance: Path
    url: str
    limit: int | None
    concurrency: int
    credential: str | None = field(default=None, repr=False)


def import_mortgages(order: Order, *, console: Console, chance: random.Random) -> None:
    """Import mortgages and print what came of it. Raises `ImportStopped`."""
    asyncio.run(greet(order.url))
    mortgages = read_mortgages(order.acquisition, order.performance)[: order.limit]
    loans = planned(mortgages)
    months = sum(len(one.months) for one in mortgages)
    console.print(f"{len(mortgages):,} mortgages, {months:,} months", highlight=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send(order, loans, console, chance))


async def _send(
    order: Order, loans: list[Planned], console: Console, chance: random.Random
) -> None:
    told = Told()
    sender = Sender(
        order.url,
        concurrency=order.concurrency,
        chance=chance,
        credential=order.credential,
        window_commands=WINDOW_COMMANDS,
        agent_build=AGENT_BUILD,
        on_answer=told.take,
    )
    started = time.monotonic()
    try:
        await _publish(sender, order.url)
        async with progress.sending(console, sum(loan.commands for loan in loans)) as tick:
            await sender.send_all(requests(loans), on_done=tick)
        print_commands(console, sender.sent, time.monotonic() - started)
        print_outcome(console, outcome(loans, told))
    except asyncio.CancelledError:
        print_commands(console, sender.sent, time.monotonic() - started)
        raise
    finally:
        await sender.close()


async def _publish(sender: Sender, url: str) -> None:
    try:
        await sender.client.publish_product(PRODUCT)
    except Unauthenticated as error:
        raise NotAdmitted(url) from error
    except Forbidden:
        await _see_published(sender)  # who imports need not be who publishes
    except Refused as error:
        raise ProductNotPublished(NAME, error.detail) from error
    except LedgerError as error:
        raise ServiceFailed(f"publishing the product {NAME}", str(error)) from error


async def _see_published(sender: Sender) -> None:
    try:
        await sender.client.product(NAME, VERSION)
    except NotFound as error:
        raise ProductNotPublished(NAME, "the key may not") from error
    except LedgerError as error:
        raise ServiceFailed(f"reading the product {NAME}", str(error)) from error
