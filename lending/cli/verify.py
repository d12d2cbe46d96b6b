"""`lending verify`: every leaf recomputed, every checkpoint borne out, every row compared with its
events.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from lending.cli.console import uncut_console
from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from uuid import UUID

    from rich.console import Console

    from lending.ledger.erasures import Pending
    from lending.ledger.findings import Finding
    from projections.verification import Plan
    from projections.verifying import Verified

_SHOWN = 50


class DoesNotVerify(OperatorError):
    """What is stored is not what was recorded. The exit code is that of the gravest discrepancy."""


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
    ] = min(os.cpu_count() or 1, 64),
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object.")
    ] = False,
) -> None:
    """Recompute every leaf, checkpoint and read-model row, and compare. It only reads, and may run
    while the ledger is at work, or on a restored copy.

    Exit code 0 if nothing differs, else that of the gravest discrepancy found: 10 to 24.
    """
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(_verify(settings, from_position, processes, checkpoints, as_json=as_json))


async def _verify(
    settings: Settings,
    from_position: int,
    processes: int,
    checkpoints: Path | None,
    *,
    as_json: bool,
) -> None:
    from lending.cli.database import opened_database
    from lending.service.creation import load_master_key
    from projections.verification import plan

    console = uncut_console(stderr=as_json)
    async with opened_database(settings, create=False) as database:
        master_key = load_master_key(settings, create=False)
        published = _published(settings, checkpoints)
        whole = await plan(
            database.url, master_key, first_position=from_position, checkpoints=published
        )
        verified = await _run(whole, processes, console)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_as_json(verified, whole, published)) + b"\n")
    else:
        _print(console, verified, published)
        for erasure in whole.pending:
            console.print(_pending(erasure), soft_wrap=True)
        for remark in whole.remarks:
            console.print(f"[yellow]remark[/yellow]: {remark}", soft_wrap=True)
    gravest = next(iter(verified.findings.counts()), None)
    if gravest is not None:
        told = f"differences found: {verified.findings.total}; the gravest: {gravest.label}"
        fault = DoesNotVerify(f"{told}. {gravest.meaning}")
        fault.exit_code = gravest.exit_code
        raise fault


def _published(settings: Settings, given: Path | None) -> Path | None:
    path = given or settings.checkpoints_path
    return path if path is not None and path.exists() else None


async def _run(whole: "Plan", processes: int, console: "Console") -> "Verified":
    """Have the parts verified beside a progress bar."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from projections.verifying import run

    columns = (TextColumn("verifying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(part.weight for part in whole.parts))
        return await run(whole, processes, lambda weight: progress.advance(task, weight))


# reports


def _print(console: "Console", verified: "Verified", published: Path | None) -> None:
    from rich.table import Table

    for phase in verified.phases:
        speed = f", {phase.events / phase.seconds:,.0f} events/s" if phase.events else ""
        console.print(f"{phase.name}: {phase.seconds:.1f} s{speed}", soft_wrap=True)
    if not verified.findings.total:
        told = f"[green]verified[/green]: {verified.events:,} events in {verified.seconds:.1f} s"
        told += "; every leaf, answer, checkpoint and row is as recorded"
        console.print(f"{told}; {_held(verified, published)}", soft_wrap=True)
        return
    table = Table("discrepancy", "position", "application", "column", "what is wrong")
    for finding in _listed(verified)[:_SHOWN]:
        table.add_row(
            finding.discrepancy.label,
            "" if finding.position is None else f"{finding.shard}:{finding.position}",
            _text(finding.application_id),
            finding.column,
            finding.what,
        )
    console.print(table)
    counts = verified.findings.counts()
    told = ", ".join(f"{kind.label}: {count}" for kind, count in counts.items())
    shown = min(_SHOWN, verified.findings.total)
    console.print(f"{shown} of {verified.findings.total} shown; {told}", soft_wrap=True)
    console.print(_held(verified, published), soft_wrap=True)


def _held(verified: "Verified", published: Path | None) -> str:
    """What the log was held against, and nothing that it was not."""
    held = verified.held
    if held.published:
        outside = f"{held.published:,} published and {held.stored:,} stored"
        return f"checkpoints that it was held against and that bear it out: {outside}"
    what = "no published checkpoint was there to hold it against"
    if published is not None:
        what = f"no checkpoint in {published} bears it out: is that of this ledger?"
    return f"{what}; stored ones that bear it out: {held.stored:,}"


def _as_json(verified: "Verified", whole: "Plan", published: Path | None) -> dict[str, object]:
    found = verified.findings
    return {
        "ledger_id": whole.ledger_id,
        "verified": not found.total,
        "events": verified.events,
        "seconds": round(verified.seconds, 3),
        "checkpoints": None if published is None else str(published),
        "borne_out": {"stored": verified.held.stored, "published": verified.held.published},
        "phases": [
            {"name": one.name, "events": one.events, "seconds": round(one.seconds, 3)}
            for one in verified.phases
        ],
        "pending_erasures": [
            {
                "subject": one.subject,
                "position": one.position,
                "applications": one.applications,
            }
            for one in whole.pending
        ],
        "remarks": whole.remarks,
        "discrepancies": {kind.label: count for kind, count in found.counts().items()},
        "findings": [
            {
                "discrepancy": one.discrepancy.label,
                "shard": one.shard,
                "position": one.position,
                "application_id": one.application_id,
                "column": one.column,
                "what": one.what,
            }
            for one in _listed(verified)
        ],
        "not_listed": found.beyond.total(),
    }


def _listed(verified: "Verified") -> list["Finding"]:
    """The findings, the gravest first, each kind by position."""
    return sorted(
        verified.findings.kept,
        key=lambda one: (one.discrepancy.exit_code, one.shard, one.position or 0, one.column),
    )


def _text(application_id: "UUID | None") -> str:
    return "" if application_id is None else str(application_id)


def _pending(erasure: "Pending") -> str:
    return (
        f"[yellow]pending[/yellow]: the erasure of {erasure.subject}, on record at position"
        f" {erasure.position}, in {erasure.applications} application(s): its keys are still to be"
        " destroyed; lending subjects erase goes on with it"
    )
