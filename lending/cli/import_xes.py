"""`lending import xes`: send a process log to the ledger, over HTTP."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lending.runtime.settings import load_settings


def xes(
    file: Annotated[Path, typer.Argument(help="The log: .xes, or .xes.gz.")],
    url: Annotated[
        str | None, typer.Option(help="The service; the local one unless given.", metavar="URL")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first N cases only.", metavar="N")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="Requests at a time.", metavar="N")
    ] = 8,
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
        url=url or f"http://{settings.host}:{settings.port}",
        limit=limit,
        concurrency=concurrency,
        credential=settings.credential,
    )
    try:
        import_log(order, console=Console(), chance=random.Random())  # noqa: S311 - jitter only
    except KeyboardInterrupt:
        print("lending: stopped; run the same line again to go on from here", file=sys.stderr)
        raise typer.Exit(130) from None
