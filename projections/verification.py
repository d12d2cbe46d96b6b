"""Verifying a ledger: the log against itself, and every read model against the log.

What belongs here: the parts that this comes in, each of which a process of its own may take, and the
order they are taken in. What they check is in `lending.ledger` and in stream_checks.py. Everything
only reads, each part in one snapshot, so that it may run while the ledger is at work.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from lending.ledger import answer_checks, checkpoint_claims, tree_checks
from lending.ledger import verification as log_verification
from lending.ledger.diagnosis import Diagnosis, truncated
from lending.ledger.erasures import Pending, check_erasures
from lending.ledger.explaining import Clue
from lending.ledger.findings import Discrepancy, Finding, Findings, Suspects
from lending.ledger.published import read_published
from lending.ledger.sealing import MasterKey
from lending.ledger.tree_checks import Beyond, TreeCheck
from lending.ledger.verification import Epochs, ShardOfLog
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection, connect_or_explain
from projections.citations import read_citations
from projections.model import ReadModel
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
    """What a part verifies. Those of one phase are taken together, the phases in this order."""

    TREE = ("tree", "leaves and tree")
    """The tree over the log, and every checkpoint, stored or published."""
    LOG = ("log", "leaves and tree")
    """A stretch of the log against itself."""
    ANSWERED = ("answered", "answers")
    """A stretch of the log against the stored answers."""
    ANSWERS = ("answers", "answers")
    """A page of the stored answers against the log."""
    CHAIN = ("chain", "answers")
    """A stretch of the chain of answers."""
    CLAIMS = ("claims", "answers")
    """What checkpoints say of the chain of answers."""
    STREAMS = ("streams", "folds")
    """The streams that end in a stretch of the log, and their rows in every read model."""
    SURPLUS = ("surplus", "folds")
    """What no stream accounts for, and how far the read models claim to have come."""
    DIAGNOSIS = ("diagnosis", "diagnosis")
    """What became of the events that are not what was hashed or sealed."""

    @property
    def phase(self) -> str:
        """What it is done with."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the whole. `after` and `upto` are positions, or ids of commands for answers;
    `weight` is how many events or answers it goes through. `suspects` and `tree` are for diagnosis.
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
    suspects: Suspects = field(default_factory=Suspects)
    tree: TreeCheck = field(default_factory=TreeCheck)


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part has found, what has to be diagnosed, and how long it took in seconds."""

    findings: Findings
    suspects: Suspects = field(default_factory=Suspects)
    tree: TreeCheck | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts, what was found while making them, how many events they go through, which erasures
    are under way (what they are about reads as erased soon, and differs from nothing), and remarks on
    what is no difference and yet is not proven: what an epoch gave up, and which read models have
    not come to the end of the log.
    """

    parts: Sequence[Part]
    findings: Sequence[Finding]
    events: int
    ledger_id: UUID
    pending: Sequence[Pending] = ()
    remarks: Sequence[str] = ()


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
    remarks: list[str] = []
    events = 0
    async with connection:
        identity = await log_verification.read_identity(connection)
        if identity is None:
            raise NothingToVerify("this database holds no ledger")
        ledger_id, shards = identity
        for shard in range(shards):
            epochs, found = await log_verification.read_epochs(connection, shard)
            under_way, more = await check_erasures(connection, shard)
            pending += under_way
            findings += [replace(one, shard=shard) for one in (*found, *more)]
            head = await _head(connection, shard)
            remarks += _given_up(shard, epochs) + await _behind(connection, shard, head)
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
            last = await answer_checks.last_number(connection, shard)
            tree = replace(whole, kind=Kind.TREE, after=0, weight=head, checkpoints=checkpoints)
            claims = replace(tree, kind=Kind.CLAIMS, weight=0)
            parts += [tree, *_stretches(whole), *_pages(whole, answers)]
            parts += [*_links(whole, last), claims, whole]
            events += max(head - whole.after, 0)
    return Plan(parts, findings, events, ledger_id, pending, remarks)


def _given_up(shard: int, epochs: Epochs) -> list[str]:
    return [
        f"shard {shard}: epoch {epoch} begins at position {first}; what epoch {epoch - 1} may have held"
        " from there on was given up, and no proof of it is borne out"
        for epoch, first in sorted(epochs.starts.items())
        if epoch > 1
    ]


async def _behind(connection: Connection, shard: int, head: int) -> list[str]:
    asked = {"shard": shard, "head": head}
    rows = await (await connection.execute(SQL["behind"], asked)).fetchall()
    return [
        f"shard {shard}: the read model {name} ({state}) has come to position {position} of {head};"
        " its rows are compared up to there"
        for name, state, position in rows
    ]


def _stretches(whole: Part) -> list[Part]:
    return [
        _part_of(whole, kind, after, min(after + PART_EVENTS, whole.head))
        for after in range(whole.after, whole.head, PART_EVENTS)
        for kind in (Kind.LOG, Kind.ANSWERED, Kind.STREAMS)
    ]


def _pages(whole: Part, pages: Sequence[tuple[UUID, UUID]]) -> list[Part]:
    return [_part_of(whole, Kind.ANSWERS, after, upto) for after, upto in pages]


def _links(whole: Part, last: int) -> list[Part]:
    return [
        replace(_part_of(whole, Kind.CHAIN, after, min(after + PART_EVENTS, last)), weight=0)
        for after in range(0, last, PART_EVENTS)
    ]


def _part_of(whole: Part, kind: Kind, after: Any, upto: Any) -> Part:
    weight = upto - after if isinstance(after, int) else 0
    return replace(whole, kind=kind, after=after, upto=upto, weight=weight)


def verify_part(part: Part) -> PartResult:
    """What is wrong in one part. Runs an event loop of its own, for a process or thread of its
    own.
    """
    begun = time.monotonic()
    found = asyncio.run(_verify(part))
    kept = [replace(one, shard=part.log.shard) for one in found.findings.kept]
    findings = replace(found.findings, kept=kept)
    return replace(found, findings=findings, seconds=time.monotonic() - begun)


async def _verify(part: Part) -> PartResult:
    # Before the snapshot: what is published later would seem to be beyond the log's end.
    published = [] if part.checkpoints is None else read_published(part.checkpoints)
    connection = await connect_or_explain(
        part.database_url, f"lending verify {part.kind.value[0]}", session=_SESSION
    )
    async with connection, connection.transaction():
        shard, after, upto = part.log.shard, part.after, part.upto
        match part.kind:
            case Kind.LOG:
                log = await log_verification.check_stretch(connection, part.log, after, upto)
                return PartResult(log.findings, log.suspects)
            case Kind.TREE:
                return await _check_tree(connection, part, published)
            case Kind.DIAGNOSIS:
                return _result(await _diagnose(connection, part))
            case Kind.ANSWERED:
                return _result(
                    await log_verification.check_answered(connection, shard, after, upto)
                )
            case Kind.ANSWERS:
                return _result(await log_verification.check_answers(connection, shard, after, upto))
            case Kind.CHAIN:
                return _result(await answer_checks.check_chain(connection, part.log, after, upto))
            case Kind.CLAIMS:
                outside = [(str(part.checkpoints), note) for note in published]
                return _result(
                    await answer_checks.check_claims(connection, part.log, part.head, outside)
                )
            case Kind.STREAMS:
                master = MasterKey(part.master_key, _no_randomness)
                checks = StreamChecks(connection, shard, master, part.head)
                return _result(await checks.check(after, upto))
            case Kind.SURPLUS:
                return _result(await _check_surplus(connection, part))


def _result(findings: Sequence[Finding]) -> PartResult:
    found = Findings()
    found.add(findings)
    return PartResult(found)


async def _check_tree(connection: Connection, part: Part, published: Sequence[str]) -> PartResult:
    shard = part.log.shard
    keys = await checkpoint_claims.read_keys_on_record(connection, shard)
    master = MasterKey(part.master_key, _no_randomness)
    outside = [(str(part.checkpoints), note) for note in published]
    tree = await tree_checks.check_tree(connection, part.log, keys, outside)
    tree.findings.add(await checkpoint_claims.check_signing_keys(connection, shard, master, keys))
    await _add_read_models(connection, part, tree)
    return PartResult(tree.findings, tree=tree)


async def _add_read_models(connection: Connection, part: Part, tree: TreeCheck) -> None:
    """The read models that have come further than the log: of a tail that is cut off, or that a later
    epoch has given up.
    """
    shard = part.log.shard
    head = await _head(connection, shard)
    for model in READ_MODELS:
        checkpoint = await read_checkpoint(connection, model, shard)
        if checkpoint is None or checkpoint.position <= head:
            continue
        column = f"{model.name}.checkpoint"
        if checkpoint.position >= part.log.epochs.end_of(checkpoint.epoch):
            text = (
                f"it holds events of epoch {checkpoint.epoch} that a later one gave up: rebuild it"
            )
            at = checkpoint.position, None, column
            tree.findings.add([Finding(Discrepancy.PROJECTION_DIFFERS, *at, text)])
            continue
        whose = await _first_beyond(connection, model, checkpoint.generation, shard, head)
        place = f"the read model {model.name}"
        tree.beyond.append(Beyond(place, checkpoint.position, column, whose))


# diagnosis


def diagnosis_of(results: Sequence[tuple[Part, PartResult]]) -> list[Part]:
    """The parts that say what became of what the others suspect."""
    parts = []
    for part, result in results:
        if result.tree is None:
            continue
        shard = part.log.shard
        of_shard = [one.suspects for other, one in results if other.log.shard == shard]
        suspects = _merged([*of_shard, result.tree.suspects])
        if suspects.positions or result.tree.beyond:
            parts.append(
                replace(part, kind=Kind.DIAGNOSIS, suspects=suspects, tree=result.tree, weight=0)
            )
    return parts


def _merged(suspects: Sequence[Suspects]) -> Suspects:
    """All of them up to where the first of them gave up counting."""
    ends = [one.positions[-1] for one in suspects if one.more]
    end = min(ends, default=None)
    positions = {position for one in suspects for position in one.positions}
    kept = sorted(one for one in positions if end is None or one <= end)
    return Suspects(kept, more=end is not None)


async def _diagnose(connection: Connection, part: Part) -> list[Finding]:
    tree = part.tree
    clues = await _clues(connection, part)
    sealed = 0 if tree.forged else tree.sealed_size
    found, accounted = await Diagnosis(connection, part.log, sealed, clues).of(part.suspects)
    findings = found + truncated(tree.beyond, sealed, accounted)
    if tree.forged:
        text = "the leaf of this event is not the one in the stored tree, which checkpoints disown"
        findings += [
            Finding(Discrepancy.TREE_DIFFERS, position, None, tree_checks.TREE, text)
            for position in tree.suspects.positions
        ]
    return findings


async def _clues(connection: Connection, part: Part) -> list[Clue]:
    """What the read models still hold of events that are suspect."""
    clues = []
    for model in READ_MODELS:
        checkpoint = await read_checkpoint(connection, model, part.log.shard)
        if checkpoint is None:
            continue
        statement = sql.SQL(SQL["rows_at"]).format(
            table=model.table(checkpoint.generation), application=sql.Identifier(model.columns[1])
        )
        asked = {"shard": part.log.shard, "positions": part.suspects.positions}
        rows = await (await connection.execute(statement, asked)).fetchall()
        clues += [Clue(*row) for row in rows]
    return clues


async def _check_surplus(connection: Connection, part: Part) -> list[Finding]:
    shard = part.log.shard
    citations = await read_citations(connection, shard)
    findings = list(citations.faults(shard))
    for model in READ_MODELS:
        checkpoint = await read_checkpoint(connection, model, shard)
        if checkpoint is None:
            continue
        statement = sql.SQL(SQL["surplus_rows"]).format(
            table=model.table(checkpoint.generation), application=sql.Identifier(model.columns[1])
        )
        rows = await (await connection.execute(statement, {"shard": shard})).fetchall()
        text = "a row of an application without events"
        findings += [
            Finding(Discrepancy.PROJECTION_DIFFERS, position, application_id, model.name, text)
            for application_id, position in rows
        ]
    return findings


async def _first_beyond(
    connection: Connection, model: ReadModel, generation: int, shard: int, head: int
) -> UUID | None:
    """The application of which a read model holds the first event behind the log's end."""
    application = sql.Identifier(model.columns[1])
    statement = sql.SQL(SQL["first_row_beyond"]).format(
        table=model.table(generation), application=application
    )
    asked = {"shard": shard, "head": head}
    row = await (await connection.execute(statement, asked)).fetchone()
    return None if row is None else row[0]


async def _head(connection: Connection, shard: int) -> int:
    row = await (await connection.execute(SQL["head"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0])


def _no_randomness(size: int) -> bytes:
    raise TypeError(f"verifying seals nothing, and needs no {size} random bytes")
