"""Running a verification: its parts on all processors, phase by phase, and what they found together.

What belongs here: who takes which part, and how long each phase took. What a part checks is in
verification.py.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from lending.ledger.findings import Findings
from lending.ledger.tree_checks import Held
from projections.verification import Kind, Part, PartResult, Plan, diagnosis_of, verify_part

FINDINGS_MAX: Final = 10_000
"""Findings that are kept of all parts together; the others are counted."""

_FEW_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase went through, and how long it took in seconds."""

    name: str
    events: int
    seconds: float


@dataclass(slots=True)
class Verified:
    """What came of a verification."""

    events: int
    findings: Findings = field(default_factory=lambda: Findings(limit=FINDINGS_MAX))
    held: Held = field(default_factory=Held)
    phases: list[Phase] = field(default_factory=list)
    seconds: float = 0.0


async def run(whole: Plan, processes: int, advance: Callable[[int], None]) -> Verified:
    """Verify the parts, as many at a time as there are processes. `advance` is told the weight of
    each that is done.
    """
    begun = time.monotonic()
    verified = Verified(whole.events)
    verified.findings.add(whole.findings)
    with _executor(whole, processes) as executor:
        done: list[tuple[Part, PartResult]] = []
        for name in dict.fromkeys(kind.phase for kind in Kind):
            parts = [part for part in whole.parts if part.kind.phase == name]
            parts = diagnosis_of(done) if name == Kind.DIAGNOSIS.phase else parts
            parts.sort(key=lambda part: part.kind is not Kind.TREE)
            results = await _phase(executor, name, parts, advance, verified)
            # only what diagnosis needs is kept of them
            done += [one for one in results if one[1].tree or one[1].suspects.positions]
    verified.seconds = time.monotonic() - begun
    return verified


async def _phase(
    executor: Executor,
    name: str,
    parts: Sequence[Part],
    advance: Callable[[int], None],
    verified: Verified,
) -> list[tuple[Part, PartResult]]:
    loop = asyncio.get_running_loop()
    begun = time.monotonic()

    async def one(part: Part) -> tuple[Part, PartResult]:
        result = await loop.run_in_executor(executor, verify_part, part)
        verified.findings.join(result.findings)
        if result.tree is not None:
            verified.held.add(result.tree.held)
        advance(part.weight)
        return part, result

    results = await asyncio.gather(*(one(part) for part in parts))
    if parts:
        events = verified.events if any(part.weight for part in parts) else 0
        verified.phases.append(Phase(name, events, time.monotonic() - begun))
    return results


def _executor(whole: Plan, processes: int) -> Executor:
    """Processes, unless the log is so short that starting them takes longer than the work."""
    if processes == 1 or whole.events < _FEW_EVENTS:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
