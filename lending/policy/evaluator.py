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
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(slots=True, eq=False)
class _Asked:
    """A request that is sent, or will be, and whoever waits for its answer: None is that there is none."""

    line: bytes
    answer: "asyncio.Future[dict[str, Any] | None]"
    again: bool = False

    def answered(self, said: dict[str, Any] | None) -> None:
        if not self.answer.done():  # it is, where nobody waits for it any more
            self.answer.set_result(said)

    def failed(self, fault: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(fault)


class Evaluator:
    """Evaluates policies in a child process of its own, started when it is needed.

    The child answers in the order in which it is asked, and is sent the next requests while it is
    busy with one: whoever waits for an answer keeps nobody from asking.
    """

    def __init__(self, seconds: float = limits.POLICY_EVALUATION_SECONDS) -> None:
        """`seconds` of processor time are what one answer may take."""
        self._seconds = seconds
        self._child: Process | None = None
        self._asked: deque[_Asked] = deque()
        self._places = asyncio.Semaphore(limits.POLICY_ASKED_AT_ONCE_MAX)
        self._hearing: asyncio.Task[None] | None = None

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
        """End the child process; what is not answered yet never will be."""
        hearing = self._hearing
        if hearing is not None:
            hearing.cancel()
            await asyncio.wait([hearing])
        await self._end()
        self._hearing = None  # one that was cancelled before it began says nothing itself
        self._give_up(EvaluatorDown("it was closed"))

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The child's answer; None where it took all its time, or ended twice."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        asked = _Asked(canonical_text(request).encode() + b"\n", loop.create_future())
        self._asked.append(asked)
        if self._child is not None:
            _send(self._child, asked)
        if self._hearing is None:
            self._hearing = loop.create_task(self._hear(), name="policy answers")
        return await asked.answer

    async def _hear(self) -> None:
        """Take answers until all that was asked is answered."""
        try:
            while self._asked:
                await self._hear_first()
        except Exception as fault:  # noqa: BLE001 whoever waits has to hear of it
            await self._end()
            self._give_up(fault)
        self._hearing = None

    def _give_up(self, fault: Exception) -> None:
        while self._asked:
            self._settled().failed(fault)

    def _settled(self) -> _Asked:
        """The first that was asked, which makes place for another one."""
        self._places.release()
        return self._asked.popleft()

    async def _hear_first(self) -> None:
        """Take the answer to what was asked first. Raises EvaluatorDown.

        A child that ended without it, and not for taking all its time, is asked once more: it may
        have been killed for another's sake. One that ends again was ended by what it was asked.
        """
        child = self._child or await self._start()
        line = b""
        try:
            line = await asyncio.wait_for(_line(child), limits.POLICY_WAIT_SECONDS)
        except TimeoutError as late:
            raise EvaluatorDown("the machine has no time for it") from late
        finally:
            if not line.endswith(b"\n"):
                await self._end()  # whatever it may say yet is no answer to the next one
        first = self._asked[0]
        if line.endswith(b"\n"):
            said = json.loads(line)
            self._settled().answered(said)
        elif first.again or child.returncode == -OUT_OF_TIME:
            self._settled().answered(None)
        else:
            first.again = True

    async def _start(self) -> Process:
        """A new child, sent all that is not answered. Raises EvaluatorDown."""
        child: Process | None = None
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lending.policy.child", str(self._seconds),
                stdin=PIPE, stdout=PIPE, limit=_LINE_MAX_BYTES, env=_environment(),
            )  # fmt: skip
            ready = await asyncio.wait_for(_line(child), limits.POLICY_PROCESS_START_SECONDS)
            if ready != READY:
                raise EvaluatorDown("it ended before it was ready")
            self._child = child
        except (OSError, TimeoutError) as fault:
            raise EvaluatorDown(f"it does not start: {fault}") from fault
        finally:
            if child is not None and self._child is not child:
                await _ended(child)
        for asked in self._asked:
            _send(child, asked)
        return child

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await _ended(child)


async def _ended(child: Process) -> None:
    if child.returncode is None:
        child.kill()
    await child.wait()


def _send(child: Process, asked: _Asked) -> None:
    """Send a request. Where the child has ended, its answer shows it."""
    if child.stdin is not None:
        with suppress(OSError, RuntimeError):
            child.stdin.write(asked.line)


async def _line(child: Process) -> bytes:
    """The next line of a child; one without an end where it has ended."""
    if child.stdout is None:
        return b""
    try:
        return await child.stdout.readline()
    except ConnectionError:
        return b""


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
