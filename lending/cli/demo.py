"""`lending demo`: agents carry several applications through over HTTP, and the ledger tells of it."""

import asyncio
import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lending.runtime.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Console


def demo(
    url: Annotated[
        str | None, typer.Option(help="The service; the local one unless given.", metavar="URL")
    ] = None,
    applications: Annotated[
        int, typer.Option(min=1, max=1000, help="How many customers apply.", metavar="N")
    ] = 6,
    self_contained: Annotated[
        bool,
        typer.Option("--self-contained", help="Start a ledger for it, and remove it afterwards."),
    ] = False,
) -> None:
    """Let four agents and one person carry loan applications through, and show what is on record."""
    from rich.console import Console

    from lending.demo.service import own_service

    console = Console()
    if self_contained:
        console.print("starting a ledger on a free port, in a temporary directory ...")
        with own_service() as (own_url, environment):
            _demonstrate(own_url, None, applications, console)
            _verify(environment, console)
        return
    settings = load_settings()
    _demonstrate(url or settings.local_url, settings.credential, applications, console)
    if url is None and (settings.database_url or (settings.data_dir / "postgres").exists()):
        _verify(os.environ, console)
    else:
        console.print("`lending verify` proves the rest, where the ledger's database is.")


def _demonstrate(url: str, credential: str | None, applications: int, console: "Console") -> None:
    from lending.demo.run import demonstrate

    chance = random.Random()  # noqa: S311 - names and pauses, no secrets
    asyncio.run(
        demonstrate(
            url, credential=credential, applications=applications, console=console, chance=chance
        )
    )


def _verify(environment: Mapping[str, str], console: "Console") -> None:
    from lending.demo.tell import verify

    if not verify(environment, console):
        raise typer.Exit(1)
