"""Verifying a ledger: the log against itself, and every read model against the log.

What belongs here: the parts that this comes in, each of which a process of its own may take. What
they check is in `lending.ledger.verification` and in stream_checks.py. Everything only reads, each
part in one snapshot, so that it may run while the ledger is at work.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from lending.ledger import tree_checks
from lending.ledger import verification as log_verification
from lending.ledger.erasures import Pending, check_erasures
from lending.ledger.published import read_published
from lending.ledger.sealing import MasterKey
from lending.ledger.verification import Finding, ShardOfLog
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain
from projections.reading import SQL
from projections.registry import READ_MODELS
from projections.stream_checks import StreamChecks, read_checkpoint

PART_EVENTS: Final = 20_000
"""Events in one part."""

_SESSION: Final = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # A part looks its rows up by index: a hash of a whole table, once a part, would cost more the
    # longer the log is. The processors are for the parts.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


class NothingToVerify(OperatorError):
    """The database holds no ledger."""


class Kind(Enum):
    """What a part verifies."""

    LOG = "log"
    """A stretch of the log against itself."""
    ANSWERS = "answers"
    """A page of the stored answers against the log."""
    STREAMS = "streams"
    """The streams that end in a stretch of the log, and their rows in every read model."""
    SURPLUS = "surplus"
    """Rows that no stream accounts for, and how far the read models claim to have come."""
    TREE = "tree"
    """The tree over the log, and every checkpoint, stored or published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the whole. `after` and `upto` are positions, or ids of commands for answers;
    `weight` is how many events or answers it goes through.
    """

    kind: Kind
    database_url: str = field(repr=False)
    master_key: bytes = field(repr=False)
    log: ShardOfLog
    head: int
    after: Any
    upto: Any
    weight: int
    checkpoints: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts, what was found while making them, where the log ends, and which erasures are under
    way: what they are about reads as erased soon, and differs from nothing.
    """

    parts: Sequence[Part]
    findings: Sequence[Finding]
    events: int
    pending: Sequence[Pending] = ()


async def plan(
    database_url: str,
    master_key: bytes,
    *,
    first_position: int = 1,
    checkpoints: Path | None = None,
) -> Plan:
    """What there is to verify: of the log, what stands at `first_position` and behind it, and the
    applications that have events there; and the whole tree, with the checkpoints that were
    published in the file or directory `checkpoints`.

    Raises NothingToVerify, CannotConnect, UnsupportedServer.
    """
    connection = await connect_or_explain(database_url, "lending verify", session=_SESSION)
    parts: list[Part] = []
    findings: list[Finding] = []
    pending: list[Pending] = []
    events = 0
    async with connection:
        identity = await log_verification.read_identity(connection)
        if identity is None:
            raise NothingToVerify("this database holds no ledger")
        ledger_id, shards = identity
        for shard in range(shards):
            epochs, found = await log_verification.read_epochs(connection, shard)
            findings += found
            under_way, found = await check_erasures(connection, shard)
            pending += under_way
            findings += found
            head = await _head(connection, shard)
            log = ShardOfLog(ledger_id, shard, epochs)
            whole = Part(
                kind=Kind.SURPLUS,
                database_url=database_url,
                master_key=master_key,
                log=log,
                head=head,
                after=max(first_position - 1, 0),
                upto=head,
                weight=0,
            )
            answers = await log_verification.answer_pages(connection, shard)
            tree = replace(whole, kind=Kind.TREE, after=0, weight=head, checkpoints=checkpoints)
            parts += [tree, *_stretches(whole), *_pages(whole, answers), whole]
            events += max(head - whole.after, 0)
    return Plan(parts, findings, events, pending)


def _stretches(whole: Part) -> list[Part]:
    return [
        _part_of(whole, kind, after, min(after + PART_EVENTS, whole.head))
        for after in range(whole.after, whole.head, PART_EVENTS)
        for kind in (Kind.LOG, Kind.STREAMS)
    ]


def _pages(whole: Part, pages: Sequence[tuple[UUID, UUID]]) -> list[Part]:
    return [_part_of(whole, Kind.ANSWERS, after, upto) for after, upto in pages]


def _part_of(whole: Part, kind: Kind, after: Any, upto: Any) -> Part:
    return Part(
        kind=kind,
        database_url=whole.database_url,
        master_key=whole.master_key,
        log=whole.log,
        head=whole.head,
        after=after,
        upto=upto,
        weight=upto - after if isinstance(after, int) else 0,
    )


def verify_part(part: Part) -> list[Finding]:
    """What is wrong in one part. Runs an event loop of its own, for a process or thread of its
    own.
    """
    return asyncio.run(_verify(part))


async def _verify(part: Part) -> list[Finding]:
    # Before the snapshot: what is published later would seem to be beyond the log's end.
    published = [] if part.checkpoints is None else read_published(part.checkpoints)
    connection = await connect_or_explain(
        part.database_url, f"lending verify {part.kind.value}", session=_SESSION
    )
    async with connection, connection.transaction():
        match part.kind:
            case Kind.LOG:
                return await log_verification.check_stretch(
                    connection, part.log, part.after, part.upto
                )
            case Kind.ANSWERS:
                return await log_verification.check_answers(
                    connection, part.log.shard, part.after, part.upto
                )
            case Kind.STREAMS:
                master = MasterKey(part.master_key, _no_randomness)
                checks = StreamChecks(connection, part.log.shard, master, part.head)
                return await checks.check(part.after, part.upto)
            case Kind.SURPLUS:
                return await _check_surplus(connection, part)
            case Kind.TREE:
                return await _check_tree(connection, part, published)


async def _check_tree(
    connection: Connection, part: Part, published: Sequence[str]
) -> list[Finding]:
    shard = part.log.shard
    keys = await tree_checks.read_keys_on_record(connection, shard)
    master = MasterKey(part.master_key, _no_randomness)
    findings = await tree_checks.check_signing_keys(connection, shard, master, keys)
    outside = [(str(part.checkpoints), note) for note in published]
    return findings + await tree_checks.check_tree(connection, part.log, keys, outside)


async def _check_surplus(connection: Connection, part: Part) -> list[Finding]:
    shard = part.log.shard
    head = await _head(connection, shard)
    findings = []
    for model in READ_MODELS:
        checkpoint = await read_checkpoint(connection, model, shard)
        if checkpoint is None:
            continue
        if checkpoint.position > head:
            text = f"{model.name} has come to {checkpoint.position}, but the log ends at {head}"
            findings.append(Finding(None, None, f"{model.name}.checkpoint", text))
        statement = sql.SQL(SQL["surplus_rows"]).format(
            table=model.table(checkpoint.generation), application=sql.Identifier(model.columns[1])
        )
        rows = await (await connection.execute(statement, {"shard": shard})).fetchall()
        findings += [
            Finding(position, application_id, model.name, "a row of an application without events")
            for application_id, position in rows
        ]
    return findings


async def _head(connection: Connection, shard: int) -> int:
    row = await (await connection.execute(SQL["head"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0])


def _no_randomness(size: int) -> bytes:
    raise TypeError(f"verifying seals nothing, and needs no {size} random bytes")
