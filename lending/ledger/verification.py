"""Holding the log against itself: leaves, positions, epochs, and the answers that were stored.

What belongs here: what can be checked without decoding an event. Everything only reads, in stretches,
so that it may run while the ledger is at work, and in several processes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.types.json import set_json_loads

from lending.domain.identifiers import registry_id, shard_of
from lending.domain.registry import EpochOpened
from lending.ledger.canonical import canonical_json
from lending.ledger.leaf import Envelope, Provenance, columns, leaf_hash
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "verification.sql")
_PAGE_EVENTS: Final = 2_000
_PAGE_ANSWERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: where, in which application and column, and what."""

    position: int | None
    application_id: UUID | None
    column: str
    what: str


@dataclass(frozen=True, slots=True)
class Epochs:
    """Where each epoch of a shard begins, by epoch; the first begins at position 1."""

    starts: Mapping[int, int]

    def at(self, position: int) -> int:
        """The epoch that a position belongs to."""
        return max(epoch for epoch, first in self.starts.items() if first <= position)


@dataclass(frozen=True, slots=True)
class ShardOfLog:
    """A shard of a ledger, and where its epochs begin."""

    ledger_id: UUID
    shard: int
    epochs: Epochs


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the event before left behind."""

    position: int
    recorded_at: datetime | None


async def read_epochs(connection: Connection, shard: int) -> tuple[Epochs, list[Finding]]:
    """Where the epochs begin, as the registry says; findings where the lane says otherwise."""
    asked = {
        "shard": shard,
        "registry": registry_id(shard),
        "event_type": EpochOpened.stored_as,
    }
    rows = await (await connection.execute(_SQL["epochs_opened"], asked)).fetchall()
    lane = await (await connection.execute(_SQL["lane"], {"shard": shard})).fetchone()
    starts = {1: 1}
    findings: list[Finding] = []
    for position, data in rows:
        epoch, first = data.get("epoch"), data.get("first_position")
        if epoch != len(starts) + 1 or not isinstance(first, int) or first > position:
            text = f"the registry opens epoch {epoch} from position {first}, after {len(starts)}"
            findings.append(Finding(position, registry_id(shard), "data", text))
        else:
            starts[epoch] = first
    if lane is None:
        findings.append(Finding(None, None, "lanes", f"shard {shard} has no lane"))
    elif lane != (len(starts), starts[len(starts)]):
        text = (
            f"the lane is in epoch {lane[0]} from position {lane[1]}, the registry in"
            f" epoch {len(starts)} from position {starts[len(starts)]}"
        )
        findings.append(Finding(None, None, "lanes", text))
    return Epochs(starts), findings


async def check_stretch(
    connection: Connection, log: ShardOfLog, after: int, upto: int
) -> list[Finding]:
    """What is wrong with the events behind `after` up to `upto`, which is not beyond the head:
    positions, leaves, times, epochs, and whether keyed events were answered.
    """
    set_json_loads(orjson.loads, connection)
    findings: list[Finding] = []
    seen = _Seen(after, None)
    async for rows in _pages(connection, log.shard, after, upto):
        for row in rows:
            if row[1] == after:
                seen = _Seen(after, row[17])
                continue
            findings += _position_findings(seen, row, log.epochs)
            findings += _leaf_findings(log.ledger_id, row)
            seen = _Seen(row[1], row[17])
    if seen.position < upto:
        findings.append(_missing(seen.position + 1, upto))
    asked = {"shard": log.shard, "after": after, "upto": upto}
    rows = await (await connection.execute(_SQL["unanswered_events"], asked)).fetchall()
    return findings + [Finding(*row) for row in rows]


async def _pages(
    connection: Connection, shard: int, begin: int, upto: int
) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
    while True:
        asked = {"shard": shard, "begin": begin, "upto": upto, "limit": _PAGE_EVENTS}
        cursor = connection.cursor(binary=True)
        rows = await (await cursor.execute(_SQL["stretch"], asked)).fetchall()
        yield rows
        if len(rows) < _PAGE_EVENTS:
            return
        begin = rows[-1][1] + 1


def _missing(first: int, last: int) -> Finding:
    which = f"position {first} is" if first == last else f"positions {first} to {last} are"
    return Finding(first, None, "position", f"{which} missing")


def _position_findings(seen: _Seen, row: tuple[Any, ...], epochs: Epochs) -> list[Finding]:
    shard, position, application_id, epoch, recorded_at = row[0], row[1], row[2], row[16], row[17]
    findings = []
    if position != seen.position + 1:
        findings.append(_missing(seen.position + 1, position - 1))
    if shard_of(application_id) != shard:
        text = f"the application's id belongs to shard {shard_of(application_id)}"
        findings.append(Finding(position, application_id, "application_id", text))
    if epoch != epochs.at(position):
        text = f"the event says epoch {epoch}, its position is in epoch {epochs.at(position)}"
        findings.append(Finding(position, application_id, "epoch", text))
    if seen.recorded_at is not None and recorded_at < seen.recorded_at:
        text = "recorded before the event in front of it"
        findings.append(Finding(position, application_id, "recorded_at", text))
    return findings


def _leaf_findings(ledger_id: UUID, row: tuple[Any, ...]) -> list[Finding]:
    """Whether the leaf is that of what is stored. It covers every column, so it cannot say which
    one was changed.
    """
    try:
        leaf = leaf_hash(ledger_id, columns(envelope_of(row)), canonical_json(row[6]))
    except Exception as fault:  # noqa: BLE001 whatever it is, this event cannot be hashed
        text = f"cannot be hashed: {type(fault).__name__}: {fault}"
        return [Finding(row[1], row[2], "leaf_hash", text)]
    if leaf == row[20]:
        return []
    text = "the leaf hash is not that of the event: a column or the data was changed"
    return [Finding(row[1], row[2], "leaf_hash", text)]


def envelope_of(row: tuple[Any, ...]) -> Envelope:
    """The envelope of a row of the statement `stretch`."""
    return Envelope(
        shard=row[0],
        position=row[1],
        application_id=row[2],
        version=row[3],
        event_type=row[4],
        schema_version=row[5],
        epoch=row[16],
        recorded_at=row[17],
        effective_at=row[18],
        effective_on=row[19],
        provenance=Provenance(
            actor=row[7],
            actor_kind=row[8],
            on_behalf_of=row[9],
            agent_build=row[10],
            command_id=row[11],
            command_key_hash=row[12],
            correlation_id=row[13],
            causation_id=row[14],
            traceparent=row[15],
            authority=None if row[21] is None else canonical_json(row[21]),
        ),
    )


async def answer_pages(connection: Connection, shard: int) -> list[tuple[UUID, UUID]]:
    """The stored answers in pages, each from behind one command's id to another's."""
    pages: list[tuple[UUID, UUID]] = []
    after = UUID(int=0)
    while True:
        asked = {"shard": shard, "after": after, "limit": _PAGE_ANSWERS}
        row = await (await connection.execute(_SQL["answers_end"], asked)).fetchone()
        if row is None:
            return pages
        pages.append((after, row[0]))
        after = row[0]


async def check_answers(
    connection: Connection, shard: int, after: UUID, upto: UUID
) -> list[Finding]:
    """What is wrong with a page of stored answers: whether their positions hold what they say."""
    asked = {"shard": shard, "after": after, "upto": upto}
    rows = await (await connection.execute(_SQL["unfounded_answers"], asked)).fetchall()
    return [
        Finding(position, application_id, f"command_keys.{fault.partition(':')[0]}", fault)
        for position, application_id, fault in rows
    ]


async def read_identity(connection: Connection) -> tuple[UUID, int] | None:
    """The ledger's id and the number of its shards; None where there is no ledger."""
    row = await (await connection.execute(_SQL["identity"])).fetchone()
    return None if row is None else (row[0], row[1])
