"""A process of a backtest: what to do in one line on stdin, then a stretch of the log a line, and for
each one a line of cases on stdout.

It ends when stdin does. Everything is in the lines, for a master key has no place among arguments or
in an environment.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, cast
from uuid import UUID

from lending.domain.application.circumstances import FactsMissing
from lending.domain.application.commands import Outcome
from lending.domain.application.events import Decided, Event
from lending.domain.application.evolve import evolve
from lending.domain.application.state import INITIAL, Application
from lending.ledger.codec import Codec
from lending.ledger.read import StoredEvent, read_subject_keys
from lending.ledger.sealing import Keyring, MasterKey
from lending.policy import limits
from lending.policy.catalogue import facts_erased, facts_for
from lending.policy.engine import Evaluation
from lending.policy.evaluator import Evaluator
from lending.policy.facts import from_minor_units
from lending.policy.faults import Fault, FaultKind
from lending.runtime.postgres import SERVICE_ROLE, Connection, connect
from lending.runtime.sql import load_queries
from lending.service.backtests.cases import Case, NotCompared
from lending.service.explaining import made_by

SQL: Final = load_queries(files("lending.service.backtests") / "worker.sql")
SESSION: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
"""For connections that read long stretches."""

READY: Final = b"ready\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a shard's log, behind `after` up to `upto`."""

    shard: int
    after: int
    upto: int


class _Worker:
    """Goes through stretches of the log with one policy."""

    def __init__(self, connection: Connection, master: MasterKey, given: Mapping[str, Any]) -> None:
        self._connection = connection
        self._master = master
        self._definition: str = given["definition"]
        self._others: Mapping[str, str] = given["others"]
        self._evaluator = Evaluator()
        self._codec = Codec()

    async def close(self) -> None:
        await self._evaluator.close()

    async def cases(self, stretch: Stretch) -> tuple[list[Case], bool]:
        """The decisions of a stretch with their answers; and whether the policy is given up, since it
        has given no answer in time too often. Raises EvaluatorDown.
        """
        found: list[Case] = []
        silent = 0
        async for stored, event, before in self._decisions(stretch):
            case = await self._case(stored, event, before)
            found.append(case)
            silent += case.detail == FaultKind.NO_ANSWER
            if silent >= limits.BACKTEST_SILENT_MAX:
                return found, True
        return found, False

    async def _decisions(
        self, stretch: Stretch
    ) -> AsyncIterator[tuple[StoredEvent, Decided, Application]]:
        """Each decision of a stretch, with the application as it stood before."""
        asked = {"shard": stretch.shard, "after": stretch.after, "upto": stretch.upto}
        rows = await (await self._connection.execute(SQL["decided"], asked)).fetchall()
        keyrings = await self._keyrings(stretch.shard, [row[0] for row in rows])
        state, of = INITIAL, None
        async for stored in self._histories(stretch.shard, rows):
            if stored.application_id != of:
                state, of = INITIAL, stored.application_id
            event = cast(
                Event,
                self._codec.decode(
                    stored.event_type,
                    stored.schema_version,
                    stored.data,
                    keyrings[stored.application_id],
                ),
            )
            if isinstance(event, Decided) and stretch.after < stored.position <= stretch.upto:
                yield stored, event, state
            state = evolve(state, event, stored)

    async def _keyrings(self, shard: int, ids: list[UUID]) -> dict[UUID, Keyring]:
        found = await read_subject_keys(self._connection, shard, ids)
        return {
            application_id: Keyring.unwrap(application_id, rows, self._master, secrets.token_bytes)
            for application_id, rows in found.items()
        }

    async def _histories(
        self, shard: int, rows: Sequence[tuple[UUID, int]]
    ) -> AsyncIterator[StoredEvent]:
        """The events of applications up to a version of each, a few at a time."""
        asked = {
            "shard": shard,
            "ids": [row[0] for row in rows],
            "versions": [row[1] for row in rows],
        }
        async with (
            self._connection.transaction(),
            self._connection.cursor(name="histories") as cursor,
        ):
            await cursor.execute(SQL["histories"], asked)
            async for row in cursor:
                yield StoredEvent(*row)

    async def _case(self, stored: StoredEvent, event: Decided, before: Application) -> Case:
        case = _of(stored, event, before)
        facts = facts_for(self._definition, before)
        if isinstance(facts, FactsMissing):
            erased = facts_erased(self._definition, before)
            why = NotCompared.FACTS_ERASED if erased else NotCompared.FACTS_MISSING
            return case._replace(not_compared=why, detail=", ".join(erased or facts.names))
        answer = await self._evaluator.evaluate(self._definition, facts.all, self._others)
        kind = answer.kind if isinstance(answer, Fault) else _unlike(answer, before)
        if kind is not None or isinstance(answer, Fault):
            return case._replace(not_compared=NotCompared.FAULTY, detail=str(kind))
        return case._replace(
            answered=answer.outcome.value,
            reasons=[reason.value for reason in answer.reasons],
            other_terms=_other_terms(answer, event, before),
        )


def _of(stored: StoredEvent, event: Decided, before: Application) -> Case:
    return Case(
        application_id=str(stored.application_id),
        shard=stored.shard,
        position=stored.position,
        version=stored.version,
        currency=before.currency,
        amount=f"{before.amount:f}",
        term_months=before.term_months,
        credit_kind=before.credit_kind.value,
        made_by=made_by(event, stored.recorded_at - stored.effective_at).value,
        year=stored.effective_on.year,
        recorded=event.outcome.value,
        recorded_reasons=[reason.value for reason in event.reasons],
    )


def _terms(answer: Evaluation, before: Application) -> tuple[Any, Any]:
    """The terms that a counter-offer comes to: what it leaves open is what was asked for."""
    amount = before.amount
    if answer.amount_minor is not None:
        amount = from_minor_units(answer.amount_minor, before.currency)
    return amount, answer.term_months or before.term_months


def _unlike(answer: Evaluation, before: Application) -> FaultKind | None:
    """The fault of a counter-offer of what was asked for: no decision could be made of it."""
    counters = answer.outcome is Outcome.COUNTER_OFFERED
    same = _terms(answer, before) == (before.amount, before.term_months)
    return FaultKind.AMOUNT_INVALID if counters and same else None


def _other_terms(answer: Evaluation, event: Decided, before: Application) -> bool:
    both = answer.outcome is event.outcome is Outcome.COUNTER_OFFERED
    return both and _terms(answer, before) != (event.amount, event.term_months)


async def _serve(given: Mapping[str, Any]) -> None:
    master = MasterKey(bytes.fromhex(given["master_key"]), secrets.token_bytes)
    connection = await connect(
        given["database_url"], SERVICE_ROLE, "lending backtest", session=SESSION
    )
    async with connection:
        worker = _Worker(connection, master, given)
        try:
            _say(READY)
            while line := await asyncio.to_thread(sys.stdin.buffer.readline):
                cases, given_up = await worker.cases(Stretch(**json.loads(line)))
                _say(json.dumps({"cases": cases, "given_up": given_up}).encode() + b"\n")
        finally:
            await worker.close()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.stdin.buffer.readline())))
