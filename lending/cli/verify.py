"""`lending verify`: every leaf recomputed, every read-model row compared with its events."""

import asyncio
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from rich.console import Console

    from lending.ledger.erasures import Pending
    from lending.ledger.verification import Finding
    from projections.verification import Plan

_SHOWN = 50
_FEW_EVENTS = 10_000


class DoesNotVerify(OperatorError):
    """What is stored is not what was recorded."""


def verify(
    from_position: Annotated[
        int,
        typer.Option(
            "--from",
            min=1,
            metavar="POSITION",
            help="Leave out what stands before this position of the log.",
        ),
    ] = 1,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoints that were published, a file or a directory, to hold the log against."
            "  [default: LENDING_CHECKPOINTS_PATH]",
            exists=True,
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="How many processes share the work.")
    ] = min(os.cpu_count() or 1, 4),
) -> None:
    """Recompute every leaf and every read-model row, and compare. It only reads, and may run while
    the ledger is at work.

    Exit code 1 if anything differs.
    """
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(_verify(settings, from_position, processes, checkpoints))


async def _verify(
    settings: Settings, from_position: int, processes: int, checkpoints: Path | None
) -> None:
    from rich.console import Console

    from lending.cli.database import opened_database
    from lending.service.creation import load_master_key
    from projections.verification import plan

    console = Console()
    async with opened_database(settings, create=False) as database:
        begun = time.monotonic()
        master_key = load_master_key(settings, create=False)
        whole = await plan(
            database.url,
            master_key,
            first_position=from_position,
            checkpoints=_published(settings, checkpoints),
        )
        findings = [*whole.findings, *await _run(whole, processes, console)]
        seconds = time.monotonic() - begun
    for erasure in whole.pending:
        console.print(_pending(erasure), soft_wrap=True)
    _report(console, findings, whole.events, seconds)


def _published(settings: Settings, given: Path | None) -> Path | None:
    path = given or settings.checkpoints_path
    return path if path is not None and path.exists() else None


async def _run(whole: "Plan", processes: int, console: "Console") -> list["Finding"]:
    """Have the parts verified, a few at a time, and gather what they find."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from projections.verification import verify_part

    columns = (TextColumn("verifying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    findings: list[Finding] = []
    loop = asyncio.get_running_loop()
    with (
        _executor(whole, processes) as executor,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("", total=sum(part.weight for part in whole.parts))

        async def one(part: object, weight: int) -> list["Finding"]:
            found = await loop.run_in_executor(executor, verify_part, part)  # type: ignore[arg-type]
            progress.advance(task, weight)
            return found

        for found in await asyncio.gather(*(one(part, part.weight) for part in whole.parts)):
            findings += found
    return findings


def _executor(whole: "Plan", processes: int) -> Executor:
    """Processes, unless the log is so short that starting them takes longer than the work."""
    if processes == 1 or whole.events < _FEW_EVENTS:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def _report(console: "Console", findings: Sequence["Finding"], events: int, seconds: float) -> None:
    from rich.table import Table

    speed = f"{events:,} events in {seconds:.1f} s, {events / seconds:,.0f}/s"
    if not findings:
        told = f"[green]verified[/green]: {speed}; every leaf, answer, checkpoint and row is as recorded"
        console.print(told, soft_wrap=True)
        return
    table = Table("position", "application", "column", "what is wrong")
    for finding in sorted(findings, key=_place)[:_SHOWN]:
        position = "" if finding.position is None else str(finding.position)
        application = "" if finding.application_id is None else str(finding.application_id)
        table.add_row(position, application, finding.column, finding.what)
    console.print(table)
    if len(findings) > _SHOWN:
        columns = Counter(finding.column for finding in findings)
        rest = ", ".join(f"{column}: {count}" for column, count in columns.most_common())
        console.print(f"{_SHOWN} of {len(findings)} shown; by column: {rest}")
    raise DoesNotVerify(f"differences found: {len(findings)}; {speed}")


def _pending(erasure: "Pending") -> str:
    return (
        f"[yellow]pending[/yellow]: the erasure of {erasure.subject}, on record at position"
        f" {erasure.position}, in {erasure.applications} application(s): its keys are still to be"
        " destroyed; lending subjects erase goes on with it"
    )


def _place(finding: "Finding") -> tuple[int, str]:
    return finding.position or 0, finding.column
