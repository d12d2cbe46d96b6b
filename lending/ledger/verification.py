"""Holding the log against itself: leaves, positions, epochs, and the answers that were stored.

What belongs here: what can be checked without decoding an event. Everything only reads, in stretches,
so that it may run while the ledger is at work, and in several processes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Final
from uuid import UUID

import orjson
from psycopg.types.json import set_json_loads

from lending.domain.identifiers import registry_id, shard_of
from lending.domain.registry import EpochOpened
from lending.ledger.findings import Discrepancy, Finding, Findings, Suspects
from lending.ledger.stored_rows import (
    APPLICATION,
    EPOCH,
    POSITION,
    RECORDED_AT,
    SQL,
    StoredRow,
    is_as_hashed,
)
from lending.runtime.postgres import Connection

_PAGE_EVENTS: Final = 2_000
_PAGE_ANSWERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Epochs:
    """Where each epoch of a shard begins, by epoch; the first begins at position 1."""

    starts: Mapping[int, int]

    def at(self, position: int) -> int:
        """The epoch that a position belongs to."""
        return max(epoch for epoch, first in self.starts.items() if first <= position)

    def end_of(self, epoch: int) -> float:
        """The first position that an epoch does not vouch for; without end where it is the last."""
        later = (first for other, first in self.starts.items() if other > epoch)
        return min(later, default=inf)


@dataclass(frozen=True, slots=True)
class ShardOfLog:
    """A shard of a ledger, and where its epochs begin."""

    ledger_id: UUID
    shard: int
    epochs: Epochs


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the event before left behind; no instant, where that is not what was hashed."""

    position: int
    recorded_at: datetime | None


async def read_epochs(connection: Connection, shard: int) -> tuple[Epochs, list[Finding]]:
    """Where the epochs begin, as the registry says; findings where the lane says otherwise."""
    asked = {
        "shard": shard,
        "registry": registry_id(shard),
        "event_type": EpochOpened.stored_as,
    }
    rows = await (await connection.execute(SQL["epochs_opened"], asked)).fetchall()
    lane = await (await connection.execute(SQL["lane"], {"shard": shard})).fetchone()
    starts = {1: 1}
    findings: list[Finding] = []
    for position, data in rows:
        epoch, first = data.get("epoch"), data.get("first_position")
        last = max(starts)
        if (
            not isinstance(epoch, int)
            or epoch <= last
            or type(first) is not int
            or first > position
        ):
            text = f"the registry opens epoch {epoch} from position {first}, after {last}"
            at = position, registry_id(shard), "data"
            findings.append(Finding(Discrepancy.EPOCH_DIFFERS, *at, text))
        else:
            starts[epoch] = first
    if lane is None:
        findings.append(
            Finding(Discrepancy.EPOCH_DIFFERS, None, None, "lanes", f"shard {shard} has no lane")
        )
    elif lane != (max(starts), starts[max(starts)]):
        text = (
            f"the lane is in epoch {lane[0]} from position {lane[1]}, the registry in"
            f" epoch {max(starts)} from position {starts[max(starts)]}"
        )
        findings.append(Finding(Discrepancy.EPOCH_DIFFERS, None, None, "lanes", text))
    return Epochs(starts), findings


@dataclass(frozen=True, slots=True)
class Stretch:
    """What became of a stretch: what is wrong with it, and what has to be diagnosed."""

    findings: Findings
    suspects: Suspects


async def check_stretch(connection: Connection, log: ShardOfLog, after: int, upto: int) -> Stretch:
    """What is wrong with the events behind `after` up to `upto`, which is not beyond the head:
    positions, leaves, times, epochs.
    """
    found = Stretch(Findings(), Suspects())
    seen = _Seen(after, None)
    async for rows in stored_rows(connection, log.shard, after, upto):
        for row in rows:
            if row[POSITION] == after:
                seen = _Seen(after, row[RECORDED_AT])
                continue
            seen = _check_row(log, seen, row, found)
    if seen.position < upto:
        found.suspects.add(seen.position + 1)
    return found


def _check_row(log: ShardOfLog, seen: _Seen, row: StoredRow, found: Stretch) -> _Seen:
    position = row[POSITION]
    if position != seen.position + 1:
        found.suspects.add(min(seen.position + 1, position))
    if not is_as_hashed(log.ledger_id, row):
        found.suspects.add(position)
        return _Seen(position, None)
    if findings := _row_findings(seen, row, log):
        found.findings.add(findings)
    return _Seen(position, row[RECORDED_AT])


async def stored_rows(
    connection: Connection, shard: int, begin: int, upto: int
) -> AsyncIterator[Sequence[StoredRow]]:
    """The rows from position `begin` up to `upto`, by pages, in order."""
    set_json_loads(orjson.loads, connection)
    while True:
        asked = {"shard": shard, "begin": begin, "upto": upto, "limit": _PAGE_EVENTS}
        cursor = connection.cursor(binary=True)
        rows = await (await cursor.execute(SQL["stretch"], asked)).fetchall()
        yield rows
        if len(rows) < _PAGE_EVENTS:
            return
        begin = rows[-1][POSITION] + 1


def _row_findings(seen: _Seen, row: StoredRow, log: ShardOfLog) -> list[Finding]:
    position, application_id, epoch = row[POSITION], row[APPLICATION], row[EPOCH]
    findings = []
    if shard_of(application_id) != row[0]:
        text = f"the application's id belongs to shard {shard_of(application_id)}"
        at = position, application_id, "application_id"
        findings.append(Finding(Discrepancy.REORDERED, *at, text))
    if epoch != (expected := log.epochs.at(position)):
        text = f"the event says epoch {epoch}, its position is in epoch {expected}"
        findings.append(Finding(Discrepancy.EPOCH_DIFFERS, position, application_id, "epoch", text))
    if seen.recorded_at is not None and row[RECORDED_AT] < seen.recorded_at:
        text = "recorded before the event in front of it"
        at = position, application_id, "recorded_at"
        findings.append(Finding(Discrepancy.REORDERED, *at, text))
    return findings


async def check_answered(
    connection: Connection, shard: int, after: int, upto: int
) -> list[Finding]:
    """The events of a stretch that do not agree with the stored answers to their commands."""
    asked = {"shard": shard, "after": after, "upto": upto}
    rows = await (await connection.execute(SQL["unanswered_events"], asked)).fetchall()
    return [Finding(Discrepancy.ANSWER_DIFFERS, *row) for row in rows]


async def answer_pages(connection: Connection, shard: int) -> list[tuple[UUID, UUID]]:
    """The stored answers in pages, each from behind one command's id to another's."""
    pages: list[tuple[UUID, UUID]] = []
    after = UUID(int=0)
    while True:
        asked = {"shard": shard, "after": after, "limit": _PAGE_ANSWERS}
        row = await (await connection.execute(SQL["answers_end"], asked)).fetchone()
        if row is None:
            return pages
        pages.append((after, row[0]))
        after = row[0]


async def check_answers(
    connection: Connection, shard: int, after: UUID, upto: UUID
) -> list[Finding]:
    """What is wrong with a page of stored answers: whether their positions hold what they say."""
    asked = {"shard": shard, "after": after, "upto": upto}
    rows = await (await connection.execute(SQL["unfounded_answers"], asked)).fetchall()
    return [
        Finding(
            Discrepancy.ANSWER_DIFFERS,
            *(position, application_id, f"command_keys.{fault.partition(':')[0]}", fault),
        )
        for position, application_id, fault in rows
    ]


async def read_identity(connection: Connection) -> tuple[UUID, int] | None:
    """The ledger's id and the number of its shards; None where there is no ledger."""
    row = await (await connection.execute(SQL["identity"])).fetchone()
    return None if row is None else (row[0], row[1])
