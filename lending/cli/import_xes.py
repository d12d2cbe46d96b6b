"""`lending import xes`: send a process log to the ledger, over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from lending.cli.importing import Concurrency, Url, resumable
from lending.runtime.settings import load_settings


def xes(
    file: Annotated[Path, typer.Argument(help="The log: .xes, or .xes.gz.")],
    url: Url = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first N cases only.", metavar="N")
    ] = None,
    concurrency: Concurrency = 8,
) -> None:
    """Send an XES event log of a loan process as commands, in the order of its events.

    An interrupted import goes on when the same line is run again; nothing is recorded twice.
    """
    import random

    from rich.console import Console

    from lending.imports.run import Order, import_log

    settings = load_settings()
    order = Order(
        path=file,
        url=url or settings.local_url,
        limit=limit,
        concurrency=concurrency,
        credential=settings.credential,
    )
    with resumable():
        import_log(order, console=Console(), chance=random.Random())  # noqa: S311 - jitter only
