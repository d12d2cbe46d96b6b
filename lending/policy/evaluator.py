"""Asking policies from a process that serves others: in a child process, with bounded time and memory.

It is the processor's time that is bounded, so that a busy machine is no fault of a policy. The engine
holds the interpreter's lock while it works, so neither a thread nor a time-out could stop it, and
nothing else would run meanwhile. See docs/decisions/0022-policies.md.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any, Final

from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.fields import FactValue
from lending.policy import limits
from lending.policy.catalogue import is_document
from lending.policy.child import OUT_OF_TIME, READY
from lending.policy.document import canonical_text
from lending.policy.engine import Evaluation, evaluate
from lending.policy.faults import Fault, FaultKind, FaultyPolicy

_LINE_MAX_BYTES: Final = 8 * limits.POLICY_TRACE_MAX_BYTES
"""An answer: a trace with everything in it escaped, and some more."""
_SECRETS: Final = ("LENDING_", "DATABASE_URL", "PG")


class EvaluatorDown(Exception):
    """The process that evaluates policies does not start, or gets no time."""


class Evaluator:
    """Evaluates policies in a child process of its own, one at a time, started when it is needed."""

    def __init__(self, seconds: float = limits.POLICY_EVALUATION_SECONDS) -> None:
        """`seconds` of processor time are what one answer may take."""
        self._seconds = seconds
        self._child: Process | None = None
        self._turn = asyncio.Lock()

    async def evaluate(
        self, definition: str, facts: Mapping[str, FactValue], others: Mapping[str, str]
    ) -> Evaluation | Fault:
        """What a policy answers to `facts`, or what is wrong with it. Raises EvaluatorDown."""
        if not is_document(definition):
            return _built_in(definition, facts)
        said = await self._ask(
            {"definition": definition, "facts": dict(facts), "others": dict(others)}
        )
        if said is None:
            return Fault(FaultKind.NO_ANSWER, "", f"not within {self._seconds:g} s, or the memory")
        if "faults" in said:
            return _fault(said["faults"][0])
        return Evaluation(
            outcome=Outcome(said["outcome"]),
            reasons=tuple(Reason(code) for code in said["reasons"]),
            amount_minor=said["amount_minor"],
            term_months=said["term_months"],
            rules=tuple(said["rules"]),
            trace=said["trace"],
            engine=said["engine"],
            engine_version=said["engine_version"],
        )

    async def unreadable(self, definition: str) -> list[Fault]:
        """What the engine cannot read of a definition. Raises EvaluatorDown."""
        said = await self._ask({"definition": definition})
        if said is None:
            return [Fault(FaultKind.NOT_EVALUABLE, "/graph", "the engine does not come to an end")]
        return [_fault(fault) for fault in said["faults"]]

    async def close(self) -> None:
        """End the child process."""
        async with self._turn:
            await self._end()

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The child's answer; None where it took all its time, or ended twice.

        A child that ended otherwise is asked for once more: it may have been killed for another's
        sake. One that ends again was ended by what it was asked.
        """
        async with self._turn:
            for _ in range(2):
                child = await self._running()
                line = await self._exchange(child, request)
                if line.endswith(b"\n"):
                    said: dict[str, Any] = json.loads(line)
                    return said
                if child.returncode == -OUT_OF_TIME:
                    return None
        return None

    async def _exchange(self, child: Process, request: Mapping[str, Any]) -> bytes:
        """The line that answers; one without an end where the child has ended. Raises EvaluatorDown."""
        line = b""
        try:
            line = await asyncio.wait_for(_said(child, request), limits.POLICY_WAIT_SECONDS)
        except ConnectionError:
            return line
        except TimeoutError as late:
            raise EvaluatorDown("the machine has no time for it") from late
        finally:
            if not line.endswith(b"\n"):
                await self._end()  # whatever it may say yet is no answer to the next one
        return line

    async def _running(self) -> Process:
        """The child, started where there is none. Raises EvaluatorDown."""
        if self._child is not None and self._child.returncode is None:
            return self._child
        try:
            child = self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lending.policy.child", str(self._seconds),
                stdin=PIPE, stdout=PIPE, limit=_LINE_MAX_BYTES, env=_environment(),
            )  # fmt: skip
            if child.stdout is not None:
                ready = await asyncio.wait_for(
                    child.stdout.readline(), limits.POLICY_PROCESS_START_SECONDS
                )
                if ready == READY:
                    return child
        except (OSError, TimeoutError) as fault:
            await self._end()
            raise EvaluatorDown(f"it does not start: {fault}") from fault
        await self._end()
        raise EvaluatorDown("it ended before it was ready")

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _said(child: Process, request: Mapping[str, Any]) -> bytes:
    if child.stdin is None or child.stdout is None:
        raise EvaluatorDown("it has no pipes")
    child.stdin.write(canonical_text(request).encode() + b"\n")
    await child.stdin.drain()
    return await child.stdout.readline()


def _built_in(definition: str, facts: Mapping[str, FactValue]) -> Evaluation | Fault:
    """The text of the built-in policy is no program: nothing of it can take long."""
    try:
        return evaluate(definition, facts)
    except FaultyPolicy as faulty:
        return faulty.fault


def _fault(given: list[str]) -> Fault:
    kind, place, detail = given
    return Fault(FaultKind(kind), place, detail)


def _environment() -> dict[str, str]:
    """Nothing of the ledger's is for a process that runs what somebody published."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_SECRETS)}
