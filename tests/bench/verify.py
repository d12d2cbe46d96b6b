"""Verifying a large ledger: how many events a processor checks in a second, and in how much memory.

What belongs here: the ledger that is verified, phase by phase, and the figures. Processor time is
counted, of the verifying processes (their start included) and of all of PostgreSQL, since what else
the machine does then does not matter: events to a second of one processor.
"""

import asyncio
import json
import os
import resource
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psycopg

from projections.verification import Kind, Plan, plan
from projections.verifying import run
from tests.bench import bulk
from tests.bench.figures import Bar, Figure
from tests.bench.machine import Machine, scalar
from tests.bench.seal import family_seconds, process_status
from tests.projections.worlds import MASTER_KEY

LEAVES: Final = Bar(40_000)
MEMORY: Final = Bar(400, at_most=True)
_SEALER: Final = "tests.bench.sealer"
_LOOK_SECONDS: Final = 0.2
_STANDING: Final = (
    "select min(position) from (select position from read_data.checkpoints"
    " union all select size from transparency.trees) as standing (position)"
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a part of a verification took: processor seconds and seconds."""

    processor_seconds: float
    seconds: float


def measure(machine: Machine, events: int) -> list[Figure]:
    """The figures of verifying a ledger of so many events."""
    with machine.database() as database:
        bulk.load_events(database, events)
        events = int(scalar(database, "select max(position) from ledger.loan_events"))
        _settle(machine, database, events)
        whole = asyncio.run(plan(database, MASTER_KEY, checkpoints=machine.directory / "sealed"))
        leaves = _taken(database, whole, [Kind.TREE, Kind.LOG])
        folds = _taken(database, whole, [Kind.STREAMS, Kind.SURPLUS])
        memory, report = _memory(machine, database)
    assert report["verified"], report["findings"]
    return [
        _rate(f"leaves and tree of {events:,} events, a processor", events, leaves, LEAVES),
        _rate(f"folds of {events:,} events, a processor", events, folds, None),
        Figure(
            what=f"memory of `lending verify`, {events:,} events, all its processes, most ever",
            value=memory,
            unit="MiB",
            bar=MEMORY,
            beside=f"{os.cpu_count()} processes beside the one that gathers;"
            f" {report['seconds']:.0f} s in all",
        ),
    ]


def _rate(what: str, events: int, taken: _Taken, bar: Bar | None) -> Figure:
    return Figure(
        what=what,
        value=events / taken.processor_seconds,
        unit="events/s",
        bar=bar,
        beside=f"{taken.processor_seconds:.0f} s of processor, PostgreSQL's included,"
        f" in {taken.seconds:.0f} s",
    )


def _settle(machine: Machine, database: str, events: int) -> None:
    """Have everything sealed and folded."""
    path = str(machine.directory / "sealed")
    with (
        machine.running(database, _SEALER, "projections", path),
        machine.running(database, _SEALER, "sealing", path),
    ):
        while int(scalar(database, _STANDING)) < events:
            time.sleep(_LOOK_SECONDS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _taken(database: str, whole: Plan, kinds: Sequence[Kind]) -> _Taken:
    """What the parts of these kinds take, on all processors."""
    parts = [part for part in whole.parts if part.kind in kinds]
    with psycopg.connect(database, autocommit=True) as connection:
        postmaster = int(process_status(connection.info.backend_pid)[1])
    before, begun = _spent(postmaster), time.monotonic()
    verified = asyncio.run(run(replace(whole, parts=parts), os.cpu_count() or 1, lambda _: None))
    assert not verified.findings.total, verified.findings.kept[:3]
    return _Taken(_spent(postmaster) - before, time.monotonic() - begun)


def _spent(postmaster: int) -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return family_seconds(postmaster) + sum(one.ru_utime + one.ru_stime for one in used)


# memory


@dataclass(slots=True)
class _Watch:
    """Looks how much memory a process and its children hold, again and again."""

    pid: int
    most_mib: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ended.wait(_LOOK_SECONDS):
            self.most_mib = max(self.most_mib, _held_mib(self.pid))


def _held_mib(pid: int) -> float:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    own = next((line for line in lines if line.startswith("VmRSS:")), "VmRSS: 0 kB")
    return int(own.split()[1]) / 1024 + sum(_held_mib(int(child)) for child in children)


def _memory(machine: Machine, database: str) -> tuple[float, dict[str, float]]:
    """The most memory that `lending verify` holds, and its report."""
    command = ("lending", "verify", "--json", "--checkpoints", str(machine.directory / "sealed"))
    with machine.running(database, *command) as process:
        watch = _Watch(process.pid)
        thread = threading.Thread(target=watch.run)
        thread.start()
        report, _ = process.communicate()
        watch.ended.set()
        thread.join()
    return watch.most_mib, json.loads(report)
