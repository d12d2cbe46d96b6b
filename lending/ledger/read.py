"""Reading the log: one stream, or a stretch of a shard's feed. Never writes.

A reader that meets a gap, or an event it does not know, stops: it is a fault.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple
from uuid import UUID

from lending.domain.identifiers import NO_TARGET
from lending.ledger.canonical import JsonObject
from lending.ledger.sealing import WrappedKey
from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")
LAST_VERSION: Final = 2**31 - 1
"""The highest version a stream can have."""


class GapInLog(Exception):
    """A position or a version is missing. The constraints make that impossible: somebody removed
    rows.
    """


class Standing(NamedTuple):
    """How far a shard's log has come, and in which epoch it is."""

    head: int
    epoch: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `loan_events`, its data not decoded yet."""

    shard: int
    position: int
    application_id: UUID
    version: int
    event_type: str
    schema_version: int
    data: JsonObject
    actor: str
    actor_kind: str
    on_behalf_of: str | None
    agent_build: str | None
    command_id: UUID
    command_key_hash: bytes | None
    correlation_id: str
    causation_id: str | None
    traceparent: str | None
    epoch: int
    recorded_at: datetime
    effective_at: datetime
    effective_on: date
    leaf_hash: bytes
    authority: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of one stream, from one snapshot. `key_used_by` is the command that used the key
    asked about.
    """

    events: Sequence[StoredEvent]
    subject_keys: list[WrappedKey]
    key_used_by: UUID | None
    complete: bool


async def read_stream(
    connection: Connection,
    shard: int,
    application_id: UUID,
    *,
    after_version: int = 0,
    to_version: int = LAST_VERSION,
    recorded_by: datetime | None = None,
    principal: str | None = None,
    target: UUID | None = None,
    key: str | None = None,
    limit: int = limits.STREAM_READ_MAX_EVENTS,
) -> Stretch:
    """The events of a stream after `after_version`, at most `limit`; `complete` when there are no
    more of them.

    With `principal`, `target` and `key` it also says, from the same snapshot, which command used
    that key. Raises GapInLog.
    """
    asked = {
        "shard": shard,
        "application_id": application_id,
        "after_version": after_version,
        "to_version": to_version,
        "recorded_by": "infinity" if recorded_by is None else recorded_by,
        "principal": principal,
        "target": NO_TARGET if target is None else target,
        "key": key,
        "limit": limit,
    }
    rows = await (await connection.execute(_SQL["stream"], asked)).fetchall()
    used_by, wrapped = rows[0][0], rows[0][1]
    events = [StoredEvent(*row[2:]) for row in rows if row[2] is not None]
    for version, event in enumerate(events, after_version + 1):
        if event.version != version:
            raise GapInLog(f"version {version} of {application_id} is missing")
    return Stretch(
        events=events,
        subject_keys=[
            WrappedKey(subject, None if h is None else bytes.fromhex(h)) for subject, h in wrapped
        ],
        key_used_by=used_by,
        complete=len(events) < limit,
    )


async def read_feed(
    connection: Connection, shard: int, after: int, limit: int
) -> list[StoredEvent]:
    """The shard's events behind position `after`, at most `limit`. Raises GapInLog."""
    rows = await (
        await connection.execute(_SQL["feed"], {"shard": shard, "after": after, "limit": limit})
    ).fetchall()
    events = [StoredEvent(*row) for row in rows]
    for position, event in enumerate(events, after + 1):
        if event.position != position:
            raise GapInLog(f"position {position} of shard {shard} is missing")
    return events


async def read_feed_of_types(
    connection: Connection,
    shard: int,
    event_types: Collection[str],
    *,
    after: int,
    to_position: int,
    limit: int,
) -> list[StoredEvent]:
    """The events of these types behind position `after` up to `to_position`, at most `limit`."""
    asked = {
        "shard": shard,
        "event_types": list(event_types),
        "after": after,
        "to_position": to_position,
        "limit": limit,
    }
    rows = await (await connection.execute(_SQL["feed_of_types"], asked)).fetchall()
    return [StoredEvent(*row) for row in rows]


async def read_feed_of_stream(
    connection: Connection,
    shard: int,
    application_id: UUID,
    *,
    after: int,
    to_position: int,
    limit: int,
) -> list[StoredEvent]:
    """One stream's events behind position `after` up to `to_position`, at most `limit`."""
    asked = {
        "shard": shard,
        "application_id": application_id,
        "after": after,
        "to_position": to_position,
        "limit": limit,
    }
    rows = await (await connection.execute(_SQL["feed_of_stream"], asked)).fetchall()
    return [StoredEvent(*row) for row in rows]


async def read_head(connection: Connection, shard: int) -> int:
    """The last position of the shard, 0 for an empty log."""
    row = await (await connection.execute(_SQL["head"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0])


async def read_standing(connection: Connection, shard: int) -> Standing:
    """The last position of the shard, 0 for an empty log, and its epoch."""
    row = await (await connection.execute(_SQL["standing"], {"shard": shard})).fetchone()
    if row is None:
        raise LookupError(f"the ledger has no lane for shard {shard}")
    return Standing(*row)


async def read_subject_keys(
    connection: Connection, shard: int, application_ids: list[UUID]
) -> dict[UUID, list[WrappedKey]]:
    """The wrapped keys of the persons in these applications, by application."""
    rows: list[tuple[Any, ...]] = await (
        await connection.execute(
            _SQL["subject_keys"], {"shard": shard, "application_ids": application_ids}
        )
    ).fetchall()
    found: dict[UUID, list[WrappedKey]] = {application_id: [] for application_id in application_ids}
    for application_id, subject, wrapped in rows:
        found[application_id].append(
            WrappedKey(subject, None if wrapped is None else bytes(wrapped))
        )
    return found
