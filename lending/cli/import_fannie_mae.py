"""`lending import fannie-mae`: send Fannie Mae's mortgages to the ledger, over HTTP."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lending.runtime.settings import load_settings


def fannie_mae(
    acquisition: Annotated[Path, typer.Option(help="Acquisition_*.txt, plain or gzipped.")],
    performance: Annotated[Path, typer.Option(help="Performance_*.txt, plain or gzipped.")],
    url: Annotated[
        str | None, typer.Option(help="The service; the local one unless given.", metavar="URL")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first N mortgages only.", metavar="N")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="Requests at a time.", metavar="N")
    ] = 8,
) -> None:
    """Send Fannie Mae's loan performance files as loans with their monthly payments.

    An interrupted import goes on when the same line is run again; nothing is recorded twice.
    """
    import random

    from rich.console import Console

    from lending.imports.fannie_mae.run import Order, import_mortgages

    settings = load_settings()
    order = Order(
        acquisition=acquisition,
        performance=performance,
        url=url or f"http://{settings.host}:{settings.port}",
        limit=limit,
        concurrency=concurrency,
        credential=settings.credential,
    )
    try:
        import_mortgages(order, console=Console(), chance=random.Random())  # noqa: S311 - jitter only
    except KeyboardInterrupt:
        print("lending: stopped; run the same line again to go on from here", file=sys.stderr)
        raise typer.Exit(130) from None
