"""Rows of the log as verification reads them, and their leaves made again.

What belongs here: the columns of the statement `stretch`, by place, and hashing them. An event is
hashed twice as fast by `quick_leaf`, whose bytes are the canonical ones nearly always; equal hashes
mean equal bytes, so only where it does not come to the stored hash is `leaf_of` asked.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

import orjson

from lending.ledger.canonical import canonical_json
from lending.ledger.leaf import (
    LEAF_FORMAT,
    LEAF_FORMAT_WITH_AUTHORITY,
    Envelope,
    Provenance,
    columns,
    leaf_hash,
)
from lending.runtime.sql import load_queries

StoredRow = tuple[Any, ...]
"""A row of the statement `stretch`."""

SQL: Final = load_queries(files("lending.ledger") / "verification.sql")
"""The statements of verification."""

POSITION: Final = 1
APPLICATION: Final = 2
VERSION: Final = 3
DATA: Final = 6
COMMAND: Final = 11
EPOCH: Final = 16
RECORDED_AT: Final = 17
LEAF: Final = 20

_SORTED: Final = orjson.OPT_SORT_KEYS
_AS_UTC: Final = orjson.OPT_UTC_Z


def quick_leaf(ledger_id: UUID, row: StoredRow) -> bytes:
    """The leaf of a row, unless one of its instants has no fraction of a second or its data is not
    canonical. Raises TypeError, orjson.JSONEncodeError among them.
    """
    shard, position, application_id, version, event_type, schema_version, data = row[:7]
    actor, actor_kind, on_behalf_of, agent_build, command_id, key_hash, correlation_id = row[7:14]
    causation_id, traceparent, epoch, recorded_at, effective_at, effective_on = row[14:20]
    authority = row[21]
    found: dict[str, Any] = {
        "actor": actor,
        "actor_kind": actor_kind,
        "agent_build": agent_build,
        "application_id": application_id,
    }
    if authority is not None:
        found["authority"] = orjson.Fragment(orjson.dumps(authority, option=_SORTED))
    found["causation_id"] = causation_id
    found["command_id"] = command_id
    found["command_key_hash"] = None if key_hash is None else key_hash.hex()
    found["correlation_id"] = correlation_id
    found["data_sha256"] = sha256(orjson.dumps(data, option=_SORTED)).hexdigest()
    found["effective_at"] = effective_at
    found["effective_on"] = effective_on
    found["epoch"] = epoch
    found["event_type"] = event_type
    found["leaf_format"] = LEAF_FORMAT if authority is None else LEAF_FORMAT_WITH_AUTHORITY
    found["ledger_id"] = ledger_id
    found["on_behalf_of"] = on_behalf_of
    found["position"] = position
    found["recorded_at"] = recorded_at
    found["schema_version"] = schema_version
    found["shard"] = shard
    found["traceparent"] = traceparent
    found["version"] = version
    return sha256(b"\x00" + orjson.dumps(found, option=_AS_UTC)).digest()


def is_as_hashed(ledger_id: UUID, row: StoredRow) -> bool:
    """Whether a row's leaf is that of what it holds."""
    try:
        if quick_leaf(ledger_id, row) == row[LEAF]:
            return True
        leaf: bytes = row[LEAF]
        return leaf_of(ledger_id, envelope_of(row), row[DATA]) == leaf
    except Exception:  # noqa: BLE001 what cannot be hashed is not what was hashed
        return False


def leaf_of(ledger_id: UUID, envelope: Envelope, data: Any) -> bytes:
    """The leaf of an envelope and its data. Raises NotCanonical, TypeError, ValueError."""
    return leaf_hash(ledger_id, columns(envelope), canonical_json(data))


def envelope_of(row: StoredRow) -> Envelope:
    """The envelope of a row."""
    return Envelope(
        shard=row[0],
        position=row[POSITION],
        application_id=row[APPLICATION],
        version=row[VERSION],
        event_type=row[4],
        schema_version=row[5],
        epoch=row[EPOCH],
        recorded_at=row[RECORDED_AT],
        effective_at=row[18],
        effective_on=row[19],
        provenance=Provenance(
            actor=row[7],
            actor_kind=row[8],
            on_behalf_of=row[9],
            agent_build=row[10],
            command_id=row[COMMAND],
            command_key_hash=row[12],
            correlation_id=row[13],
            causation_id=row[14],
            traceparent=row[15],
            authority=None if row[21] is None else canonical_json(row[21]),
        ),
    )
