"""What the ledger shows of the demonstration: one application's story, its row, the proof."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from lending.demo.client import DemoFailed, Ledger
from lending.demo.customers import MOST_TELLING
from lending.demo.office import Found, look
from lending.demo.timeline import sentence, who

WAIT_SECONDS: Final = 20
VERIFY_WITHIN_SECONDS: Final = 300


async def tell(ledger: Ledger, applications: Sequence[Found], console: Console) -> None:
    """Print how all ended, the timeline of one in words, and its row in the read model."""
    _print_endings(applications, [await _status(ledger, found) for found in applications], console)
    found = applications[min(MOST_TELLING, len(applications) - 1)]
    seen = await look(ledger, found.application_id)
    currency = seen.asked["currency"]
    console.print(f"\n[bold]{found.reference}, as it happened[/bold]", highlight=False)
    for event in seen.events:
        time = str(event["effective_at"])[11:23]
        line = f"{time}  {who(event):<15} {sentence(event, currency)}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    row = await _row(ledger, found, seen.events[-1])
    console.print("\n[bold]its row in loan_applications[/bold]")
    for name, value in row.items():
        if value not in (None, [], ""):
            console.print(f"{name:<22} {value}", highlight=False, soft_wrap=True, markup=False)


async def check_order(ledger: Ledger, start: str, console: Console) -> None:
    """Read the feed from `start` on and see that no position is missing. Raises `DemoFailed`."""
    shard, _, first = start.partition(":")
    expected = int(first)
    while True:
        page = await ledger.get("/loan/events", after=f"{shard}:{expected}", limit=1000)
        for event in page["items"]:
            expected += 1
            if event["position"] != expected:
                raise DemoFailed(f"position {expected} is missing from the feed")
        if not page["items"]:
            break
    console.print(f"The feed has every position from {int(first) + 1} to {expected}.")


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


async def _status(ledger: Ledger, found: Found) -> str:
    application = await ledger.get(f"/loan/applications/{found.application_id}")
    return str(application["status"])


async def _row(ledger: Ledger, found: Found, last: Mapping[str, Any]) -> Mapping[str, Any]:
    page = await ledger.get(
        "/loan/applications",
        headers={"Prefer": f"wait={WAIT_SECONDS}"},
        reference=found.reference,
        min_position=f"{last['shard']}:{last['position']}",
    )
    row: Mapping[str, Any] = page["items"][0]
    return row


def _print_endings(found: Sequence[Found], statuses: Sequence[str], console: Console) -> None:
    table = Table(title="How they ended", title_justify="left")
    for name in ("application", "the story", "status"):
        table.add_column(name)
    for application, status in zip(found, statuses, strict=True):
        table.add_row(application.reference, application.customer.story, status)
    console.print()
    console.print(table)
