"""What the import of mortgages prints at its end."""

from rich.console import Console
from rich.table import Table

from lending.imports.fannie_mae.outcome import Outcome
from lending.imports.fannie_mae.plan import EndKind, MonthKind

DIFFERENCES_SHOWN_MAX = 20
_NAMES = {
    EndKind.PAID_OFF: "01 prepaid or matured",
    EndKind.SHORT_SALE: "03 short sale",
    EndKind.REPURCHASED: "06 repurchased",
    EndKind.FORECLOSED: "09 foreclosed",
    None: "none",
}


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The months by kind, the ends, and every difference up to a number."""
    table = Table(title="Months with the balance before and after", title_justify="left")
    table.add_column("kind")
    table.add_column("in the file", justify="right")
    table.add_column("same balance in the ledger", justify="right")
    for kind in MonthKind:
        if outcome.months[kind]:
            table.add_row(kind, f"{outcome.months[kind]:,}", f"{outcome.agreeing[kind]:,}")
    table.add_section()
    agreeing = outcome.agreeing.total()
    table.add_row("all", f"{outcome.months.total():,}", f"{agreeing:,}")
    table.add_row("by level payments alone", "", f"{outcome.reproduced:,}")
    console.print(table)
    console.print(f"{outcome.changes:,} months changed the rate or the instalment.\n")
    ends = Table(title="How the mortgages ended", title_justify="left")
    ends.add_column("code in the file")
    ends.add_column("status in the ledger")
    ends.add_column("mortgages", justify="right")
    for (ended, status), number in sorted(outcome.ends.items(), key=lambda one: one[0][0] or "~"):
        ends.add_row(_NAMES[ended], status, f"{number:,}")
    console.print(ends)
    for sentence in outcome.differences[:DIFFERENCES_SHOWN_MAX]:
        console.print(f"- {sentence}", highlight=False, soft_wrap=True)
    hidden = len(outcome.differences) - DIFFERENCES_SHOWN_MAX
    if hidden > 0:
        console.print(f"and {hidden:,} differences more")
