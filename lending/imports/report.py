"""What an import prints at its end: tables and sentences, nothing computed that is not in them."""

from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from lending.imports.sender import Result, Sent
from lending.imports.summary import Comparison

_HOURS_UP_TO = timedelta(hours=48)


def print_commands(console: Console, sent: Sent, seconds: float) -> None:
    """What was sent and what became of it, and how long it took.

    What is replayed was answered from its key: an earlier run, or an attempt whose answer was lost,
    had done it.
    """
    table = Table(title="Commands", title_justify="left")
    table.add_column("")
    table.add_column("now", justify="right")
    table.add_column("replayed", justify="right")
    _row(table, "sent", sent.count(replayed=False), sent.count(replayed=True))
    for result in (Result.ACCEPTED, Result.ALREADY_SO):
        numbers = [sent.count(result=result, replayed=replayed) for replayed in (False, True)]
        _row(table, f"  {result}", *numbers)
    refusals: Counter[tuple[str, bool]] = Counter()
    for counted, number in sent.answers.items():
        if counted.result is Result.REFUSED:
            refusals[counted.code, counted.replayed] += number
    for code in sorted({code for code, _ in refusals}):
        _row(table, f"  refused: {code}", refusals[code, False], refusals[code, True])
    _row(table, "not sent, after a refused application", sum(sent.unsent.values()), 0)
    console.print(table)
    rate = sent.commands / seconds if seconds else 0
    retries = f", {sent.retries:,} requests repeated" if sent.retries else ""
    console.print(f"{seconds:,.0f} s, {rate:,.0f} commands/s{retries}\n", highlight=False)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The read model beside the log, and every difference in words."""
    table = Table(title="Applications", title_justify="left")
    for name in ("status", "log", "ledger", "difference"):
        table.add_column(name, justify="left" if name == "status" else "right")
    for status, in_log, in_ledger in comparison.statuses:
        _status_row(table, status, in_log, in_ledger)
    table.add_section()
    _status_row(table, "all", comparison.in_the_log, comparison.in_the_ledger)
    console.print(table)
    if comparison.strangers:
        console.print(
            f"The ledger holds {comparison.strangers:,} applications that are not of this log."
        )
    _print_times(console, comparison)
    for sentence in comparison.explanations:
        console.print(f"- {sentence}", highlight=False, soft_wrap=True)


def in_words(duration: timedelta | None) -> str:
    """A duration in hours up to two days, in days beyond, to one decimal."""
    if duration is None:
        return "-"
    if duration < _HOURS_UP_TO:
        return f"{duration / timedelta(hours=1):.1f} hours"
    return f"{duration / timedelta(days=1):.1f} days"


def _row(table: Table, name: str, now: int, earlier: int) -> None:
    table.add_row(name, f"{now:,}", f"{earlier:,}")


def _status_row(table: Table, status: str, in_log: int, in_ledger: int) -> None:
    difference = in_ledger - in_log
    table.add_row(status, f"{in_log:,}", f"{in_ledger:,}", f"{difference:+,}" if difference else "")


def _print_times(console: Console, comparison: Comparison) -> None:
    table = Table(title="From apply to outcome", title_justify="left")
    for name in ("", "log", "ledger"):
        table.add_column(name, justify="right" if name else "left")
    both = (comparison.log_times, comparison.ledger_times)
    rows = {
        "applications with an outcome": [f"{times.count:,}" for times in both],
        "median": [in_words(times.median) for times in both],
        "90th percentile": [in_words(times.ninetieth) for times in both],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)
