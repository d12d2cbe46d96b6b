"""Carrying out a backtest: planning it, and having processes go through the decisions side by side."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lending.ledger.read import read_head
from lending.policy import limits
from lending.runtime.postgres import SERVICE_ROLE, connect
from lending.service.backtests.cases import Case
from lending.service.backtests.tally import Tally
from lending.service.backtests.worker import READY, SESSION, SQL, Stretch

_LINE_MAX_BYTES: Final = 8 * 1024 * 1024
OUT_OF_TIME: Final = "it took all the time that it may"
GIVEN_UP: Final = "the policy gave no answer in time, again and again"


class BacktestFailed(Exception):
    """A process of the backtest ended, or does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked: a policy, of a ledger. The master key opens the facts about persons."""

    database_url: str = field(repr=False)
    master_key: bytes = field(repr=False)
    shards: int
    definition: str
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The stretches of the log to go through, and how many decisions there are in all."""

    stretches: tuple[Stretch, ...]
    total: int


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far it is: what was counted, and why it ended early, if it did."""

    tally: Tally = field(default_factory=Tally)
    total: int = 0
    ended_early: str | None = None

    @property
    def gone_through(self) -> int:
        """How many decisions were gone through."""
        return self.tally.decisions.count


async def plan(subject: Subject) -> Plan:
    """What there is to go through: the decisions on record at this moment."""
    connection = await connect(
        subject.database_url, SERVICE_ROLE, "lending backtest", session=SESSION
    )
    stretches: list[Stretch] = []
    total = 0
    async with connection:
        for shard in range(subject.shards):
            asked = {
                "shard": shard,
                "head": await read_head(connection, shard),
                "size": limits.BACKTEST_PART_DECISIONS,
            }
            after = 0
            for upto, count in await (await connection.execute(SQL["parts"], asked)).fetchall():
                stretches.append(Stretch(shard=shard, after=after, upto=upto))
                after, total = upto, total + count
    return Plan(stretches=tuple(stretches), total=total)


async def carry_out(
    subject: Subject,
    processes: int,
    progress: Progress,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Go through all decisions; `progress` says how far it is, and in the end what came of it.

    `told` is told of each stretch how many decisions it had. Raises BacktestFailed.
    """
    planned = await plan(subject)
    progress.total = planned.total
    left = deque(planned.stretches)
    until = time.monotonic() + limits.BACKTEST_SECONDS

    async def work() -> None:
        async with asyncio.timeout(limits.POLICY_PROCESS_START_SECONDS):
            child = await _started(subject)
        try:
            while left and progress.ended_early is None:
                if time.monotonic() >= until:
                    progress.ended_early = OUT_OF_TIME
                    return
                cases, given_up = await _asked(child, left.popleft())
                for case in cases:
                    progress.tally.add(case)
                told(len(cases))
                if given_up:
                    progress.ended_early = GIVEN_UP
        finally:
            await _end(child)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(processes, len(planned.stretches))):
                group.create_task(work())
    except ExceptionGroup as faults:
        first = faults.exceptions[0]
        why = str(first) or type(first).__name__
        raise BacktestFailed(f"a process of the backtest failed: {why}") from faults
    progress.tally.flips.sort(key=lambda case: (case.shard, case.position))


async def _started(subject: Subject) -> Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lending.service.backtests.worker",
        stdin=PIPE, stdout=PIPE, limit=_LINE_MAX_BYTES, env=_environment(),
    )  # fmt: skip
    given = {
        "database_url": subject.database_url,
        "master_key": subject.master_key.hex(),
        "definition": subject.definition,
        "others": dict(subject.others),
    }
    ready = b""
    try:
        ready = await _line(child, given)
    finally:
        if ready != READY:
            await _end(child)
    if ready != READY:
        raise BacktestFailed("it ended before it was ready")
    return child


async def _asked(child: Process, stretch: Stretch) -> tuple[list[Case], bool]:
    line = await _line(child, asdict(stretch))
    if not line.endswith(b"\n"):
        raise BacktestFailed("it ended; what it wrote to stderr says why")
    said: dict[str, Any] = json.loads(line)
    return [Case(*case) for case in said["cases"]], said["given_up"]


async def _line(child: Process, given: Mapping[str, Any]) -> bytes:
    if child.stdin is None or child.stdout is None:
        raise BacktestFailed("it has no pipes")
    child.stdin.write(json.dumps(given).encode() + b"\n")
    await child.stdin.drain()
    return await child.stdout.readline()


async def _end(child: Process) -> None:
    """End a process. One that is at work has nothing to lose; its own child ends with its pipes."""
    if child.returncode is None:
        child.kill()
    await child.wait()


def _environment() -> dict[str, str]:
    """What it needs is in what it is sent."""
    return {name: text for name, text in os.environ.items() if not name.startswith("LENDING_")}


def processes_at_most() -> int:
    """How many processes one backtest has on this machine."""
    return min(os.cpu_count() or 1, limits.BACKTEST_PROCESSES_MAX)
