"""What the ledger shows of the demonstration: one application's story, its row, the proof."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from lending.client import AsyncLedgerClient, Event
from lending.demo.customers import MOST_TELLING
from lending.demo.errors import DemoFailed
from lending.demo.office import Found, look
from lending.demo.timeline import sentence, who

VERIFY_WITHIN_SECONDS: Final = 300


async def tell(client: AsyncLedgerClient, applications: Sequence[Found], console: Console) -> None:
    """Print how all ended, the timeline of one in words, and its row in the read model."""
    _print_endings(applications, [await _status(client, found) for found in applications], console)
    found = applications[min(MOST_TELLING, len(applications) - 1)]
    seen = await look(client, found.application_id)
    currency = seen.asked["currency"]
    console.print(f"\n[bold]{found.reference}, as it happened[/bold]", highlight=False)
    for event in seen.events:
        time = "" if event.effective_at is None else f"{event.effective_at:%H:%M:%S.%f}"[:12]
        told = sentence(event.event_type, event.data, currency)
        line = f"{time}  {who(event):<15} {told}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    row = await _row(client, found, seen.events[-1])
    console.print("\n[bold]its row in loan_applications[/bold]")
    for name, value in row.items():
        if value not in (None, [], ""):
            console.print(f"{name:<22} {value}", highlight=False, soft_wrap=True, markup=False)


async def check_order(client: AsyncLedgerClient, start: str, console: Console) -> None:
    """Read the feed from `start` on and see that no position is missing. Raises `DemoFailed`."""
    first = expected = int(start.partition(":")[2])
    after: str | None = start
    while after is not None:
        page = await client.feed_page(after, limit=1000)
        for event in page.items:
            expected += 1
            if event.position != expected:
                raise DemoFailed(f"position {expected} is missing from the feed")
        after = page.next
    console.print(f"The feed has every position from {first + 1} to {expected}.")


def verify(environment: Mapping[str, str], console: Console) -> bool:
    """Run `lending verify`; whether it could be run and found nothing wrong."""
    console.print("\n[bold]lending verify[/bold]")
    finished = subprocess.run(
        [sys.executable, "-m", "lending", "verify"],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=VERIFY_WITHIN_SECONDS,
        check=False,
    )
    console.print((finished.stdout + finished.stderr).strip(), highlight=False, markup=False)
    return finished.returncode == 0


async def _status(client: AsyncLedgerClient, found: Found) -> str:
    return (await client.application(found.application_id)).status


async def _row(client: AsyncLedgerClient, found: Found, last: Event) -> Mapping[str, Any]:
    reached = f"{last.shard}:{last.position}"
    rows = client.applications(reference=found.reference, min_position=reached)
    (row,) = [row async for row in rows]
    return row.columns


def _print_endings(found: Sequence[Found], statuses: Sequence[str], console: Console) -> None:
    table = Table(title="How they ended", title_justify="left")
    for name in ("application", "the story", "status"):
        table.add_column(name)
    for application, status in zip(found, statuses, strict=True):
        table.add_row(application.reference, application.customer.story, status)
    console.print()
    console.print(table)
