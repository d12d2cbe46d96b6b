"""What the commands that import have in common: their options, and what to do when interrupted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Url = Annotated[
    str | None, typer.Option(help="The service; the local one unless given.", metavar="URL")
]
Concurrency = Annotated[int, typer.Option(min=1, max=1000, help="Requests at a time.", metavar="N")]


@contextmanager
def resumable() -> Iterator[None]:
    """Tell whoever interrupts an import that the same line goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        print("lending: stopped; run the same line again to go on from here", file=sys.stderr)
        raise typer.Exit(130) from None
