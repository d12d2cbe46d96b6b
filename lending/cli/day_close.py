"""`lending day-close DATE`: book what the end of a day brings to every loan."""

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli import days
from lending.runtime.errors import OperatorError
from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.day_close import DayClosed

Day = Annotated[
    date,
    typer.Argument(
        parser=days.day, metavar="DATE", help="The day, YYYY-MM-DD, in the ledger's time zone."
    ),
]


def day_close(day: Day) -> None:
    """Put earned interest into the journal, charge late fees, expire offers, for the day and for all
    before it that were not closed. Run again, it books what is missing and nothing twice.
    """
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    done = asyncio.run(_close(day))
    fees = ", ".join(f"{amount:f} {currency}" for currency, amount in done.late_fee_amounts.items())
    print(
        f"{day}: looked at {done.applications} applications; booked {done.accruals} accruals,"
        f" {done.late_fees} late fees{f' ({fees})' if fees else ''},"
        f" {done.losses} losses, {done.expired_offers} expired offers"
    )
    for code, count in sorted(done.refused.items()):
        print(f"  refused {code}: {count}")
    if done.failed:
        failed = ", ".join(f"{name}: {count}" for name, count in sorted(done.failed.items()))
        raise OperatorError(f"not all of it could be booked ({failed}); run it again")


async def _close(day: date) -> "DayClosed":
    from rich.progress import Progress

    from lending.cli.operators import acting
    from lending.contract.command_table import path_of
    from lending.domain.servicing.commands import CloseDay
    from lending.service.day_close import DayClosed

    settings = load_settings()
    done = DayClosed()
    async with acting(settings) as (ledger, operator):
        total = await ledger.day_close.count(day, await ledger.history.head(0))
        with Progress() as progress:
            task = progress.add_task(f"closing {day}", total=total)
            async for done in ledger.day_close.close(
                day, operator.principal, operator.correlation_id, path_of(CloseDay)
            ):
                progress.update(task, completed=done.applications)
    return done
