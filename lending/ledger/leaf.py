"""The leaf of an event: what is hashed, and how (RFC 9162, section 2.1.1: SHA-256(0x00 || entry)).

The entry is the envelope: canonical JSON of every column but `data` and `leaf_hash`, with the
ledger's id, the format's number and the SHA-256 of the canonical bytes of `data`. So the log can be
published without its content.

Format 1 has no `authority`; format 2 is the same with it. An event whose principal was not
restricted has none, and its leaf is of format 1.
"""

from datetime import date, datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from lending.ledger.canonical import canonical_json, instant_text

Row = dict[str, object]
"""Columns by name, as they are written as JSON; UUIDs are as they are, which writes them faster."""

LEAF_FORMAT: Final = 1
"""The format of the leaf of an event without `authority`."""
LEAF_FORMAT_WITH_AUTHORITY: Final = 2
_LEAF_PREFIX: Final = b"\x00"


class Provenance(NamedTuple):
    """Who caused an event and by what: opaque ids, never names.

    `authority` is canonical JSON of what the principal might do then, and of what it proved itself
    with (never a secret). The list is closed; `leaf_format` numbers it.
    """

    actor: str
    actor_kind: str
    command_id: UUID
    correlation_id: str
    on_behalf_of: str | None = None
    agent_build: str | None = None
    command_key_hash: bytes | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    authority: bytes | None = None


class Envelope(NamedTuple):
    """Everything about a stored event but its data."""

    shard: int
    position: int
    application_id: UUID
    version: int
    event_type: str
    schema_version: int
    epoch: int
    recorded_at: datetime
    effective_at: datetime
    effective_on: date
    provenance: Provenance


def columns(envelope: Envelope) -> Row:
    """The columns of `loan_events` but `data` and `leaf_hash`, as they are hashed and sent to
    PostgreSQL. `authority` is left out where there is none.
    """
    by = envelope.provenance
    recorded_at = instant_text(envelope.recorded_at)
    same = envelope.effective_at is envelope.recorded_at
    found: Row = {
        "actor": by.actor,
        "actor_kind": by.actor_kind,
        "agent_build": by.agent_build,
        "application_id": envelope.application_id,
        "causation_id": by.causation_id,
        "command_id": by.command_id,
        "command_key_hash": None if by.command_key_hash is None else by.command_key_hash.hex(),
        "correlation_id": by.correlation_id,
        "effective_at": recorded_at if same else instant_text(envelope.effective_at),
        "effective_on": envelope.effective_on.isoformat(),
        "epoch": envelope.epoch,
        "event_type": envelope.event_type,
        "on_behalf_of": by.on_behalf_of,
        "position": envelope.position,
        "recorded_at": recorded_at,
        "schema_version": envelope.schema_version,
        "shard": envelope.shard,
        "traceparent": by.traceparent,
        "version": envelope.version,
    }
    if by.authority is not None:
        found["authority"] = orjson.Fragment(by.authority)
    return found


def leaf_hash(ledger_id: UUID, envelope_columns: Row, data: bytes) -> bytes:
    """The leaf hash (32 bytes) of an event: its `columns`, and the canonical bytes of its data."""
    return sha256(_LEAF_PREFIX + leaf_entry(ledger_id, envelope_columns, data)).digest()


def leaf_entry(ledger_id: UUID, envelope_columns: Row, data: bytes) -> bytes:
    """What is hashed of an event, behind the prefix: its envelope, encoded."""
    bare = "authority" not in envelope_columns
    return canonical_json(
        {
            **envelope_columns,
            "data_sha256": sha256(data).hexdigest(),
            "leaf_format": LEAF_FORMAT if bare else LEAF_FORMAT_WITH_AUTHORITY,
            "ledger_id": ledger_id,
        }
    )
