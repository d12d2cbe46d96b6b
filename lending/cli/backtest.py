"""`lending backtest`: what a version of a policy would have answered to the decisions on record.

It goes through them in processes of its own, beside the service, and keeps nothing.
"""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lending.cli.console import uncut_console
from lending.cli.registry_acts import run
from lending.runtime.errors import OperatorError

if TYPE_CHECKING:
    from lending.service.backtests.carrying_out import Progress, Subject
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator


class Form(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    FLIPS = "flips"


def backtest(
    name: Annotated[str, typer.Argument(help="The policy's name.")],
    version: Annotated[str, typer.Argument(help="The version.")],
    form: Annotated[
        Form,
        typer.Option("--as", help="Sums as a table, JSON or CSV; or each flip as CSV, by `flips`."),
    ] = Form.TABLE,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes share the work.")
    ] = None,
) -> None:
    """Ask a version of a policy what it would have answered to each decision on record, with what was
    known when it was made. Nothing is recorded.
    """

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from lending.service.backtests.carrying_out import processes_at_most

        subject = (await ledger.backtests.subject(name, version))[1]
        progress = await _carried_out(subject, processes or processes_at_most())
        _write(progress, form)

    run(work)


async def _carried_out(subject: "Subject", processes: int) -> "Progress":
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from lending.service.backtests import carrying_out

    columns = (TextColumn("asking"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    made = carrying_out.Progress()
    with Progress(*columns, console=uncut_console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)

        def told(decisions: int) -> None:
            shown.update(task, total=made.total, advance=decisions)

        try:
            await carrying_out.carry_out(subject, processes, made, told)
        except carrying_out.BacktestFailed as fault:
            raise OperatorError(str(fault)) from None
    return made


def _write(made: "Progress", form: Form) -> None:
    from lending.contract.backtest_views import cases_csv, result_csv
    from lending.contract.rendering import json_bytes

    result = made.tally.told()
    match form:
        case Form.TABLE:
            _print(result)
        case Form.JSON:
            print(json_bytes(result).decode())
        case Form.CSV:
            sys.stdout.buffer.write(result_csv(result))
        case Form.FLIPS:
            sys.stdout.buffer.write(cases_csv(made.tally.flips))
    if made.ended_early is not None:
        text = f"{made.gone_through} of {made.total} decisions gone through: {made.ended_early}"
        raise OperatorError(text)


def _print(result: dict[str, Any]) -> None:
    from itertools import groupby

    from rich.markup import escape
    from rich.table import Table

    from lending.contract.backtest_views import lines

    table = Table("", "", "decisions", "currency", "amount")
    for title, rows in groupby(lines(result), key=lambda line: line[0]):
        table.add_section()
        for number, (_, (_, name, count, currency, amount)) in enumerate(rows):
            heading = "" if number else title.replace("_", " ")
            table.add_row(heading, escape(name), f"{count:,}", currency, amount)
    uncut_console().print(table)
