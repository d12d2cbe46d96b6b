"""`lending import fannie-mae`: send Fannie Mae's mortgages to the ledger, over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from lending.cli.importing import Concurrency, Url, resumable
from lending.runtime.settings import load_settings


def fannie_mae(
    acquisition: Annotated[Path, typer.Option(help="Acquisition_*.txt, plain or gzipped.")],
    performance: Annotated[Path, typer.Option(help="Performance_*.txt, plain or gzipped.")],
    url: Url = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first N mortgages only.", metavar="N")
    ] = None,
    concurrency: Concurrency = 8,
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
        url=url or settings.local_url,
        limit=limit,
        concurrency=concurrency,
        credential=settings.credential,
    )
    with resumable():
        import_mortgages(order, console=Console(), chance=random.Random())  # noqa: S311 - jitter only
