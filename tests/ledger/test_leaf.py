"""The leaf: SHA-256(0x00 || envelope), computed here once more with nothing but the standard library."""

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from lending.ledger.canonical import canonical_json
from lending.ledger.leaf import (
    LEAF_FORMAT,
    LEAF_FORMAT_WITH_AUTHORITY,
    Envelope,
    Provenance,
    columns,
    leaf_hash,
)

LEDGER_ID = UUID("019c0000-0000-7000-8000-00000000aaaa")
DATA = b'{"text":"\xc3\xa4"}'
PROVENANCE = Provenance(
    actor="risk-agent",
    actor_kind="agent",
    command_id=UUID("019c1234-5678-7000-8abc-0000000000c1"),
    correlation_id="corr-1",
    on_behalf_of="resource 112",
    agent_build="risk/4.2 model-x prompt-9",
    command_key_hash=bytes(range(32)),
    causation_id="cause-1",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
AUTHORITY = canonical_json(
    {"credential": "k7f2", "limits": {"USD": "50000.00"}, "roles": ["risk", "underwriter"]}
)
ENVELOPE = Envelope(
    shard=0,
    position=42,
    application_id=UUID("019c1234-5678-7000-8abc-def012345678"),
    version=3,
    event_type="noted",
    schema_version=1,
    epoch=1,
    recorded_at=datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC),
    effective_at=datetime(2011, 10, 30, 2, 59, 59, tzinfo=UTC),
    effective_on=date(2011, 10, 30),
    provenance=PROVENANCE,
)


def leaf(envelope: Envelope = ENVELOPE, data: bytes = DATA, ledger_id: UUID = LEDGER_ID) -> bytes:
    return leaf_hash(ledger_id, columns(envelope), data)


def test_it_is_the_hash_that_anyone_can_compute() -> None:
    entry = {
        "ledger_id": "019c0000-0000-7000-8000-00000000aaaa",
        "leaf_format": 1,
        "shard": 0,
        "position": 42,
        "application_id": "019c1234-5678-7000-8abc-def012345678",
        "version": 3,
        "event_type": "noted",
        "schema_version": 1,
        "epoch": 1,
        "recorded_at": "2026-03-02T09:00:00.123456Z",
        "effective_at": "2011-10-30T02:59:59.000000Z",
        "effective_on": "2011-10-30",
        "actor": "risk-agent",
        "actor_kind": "agent",
        "on_behalf_of": "resource 112",
        "agent_build": "risk/4.2 model-x prompt-9",
        "command_id": "019c1234-5678-7000-8abc-0000000000c1",
        "command_key_hash": "".join(f"{byte:02x}" for byte in range(32)),
        "correlation_id": "corr-1",
        "causation_id": "cause-1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data_sha256": sha256(DATA).hexdigest(),
    }
    text = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert leaf() == sha256(b"\x00" + text.encode()).digest()


def test_what_the_principal_might_do_makes_it_a_leaf_of_format_2() -> None:
    able = ENVELOPE._replace(provenance=PROVENANCE._replace(authority=AUTHORITY))
    entry = {
        **{name: value for name, value in columns(ENVELOPE).items() if name != "application_id"},
        "application_id": str(ENVELOPE.application_id),
        "command_id": str(PROVENANCE.command_id),
        "authority": json.loads(AUTHORITY),
        "ledger_id": str(LEDGER_ID),
        "leaf_format": 2,
        "data_sha256": sha256(DATA).hexdigest(),
    }
    text = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert leaf(able) == sha256(b"\x00" + text.encode()).digest()
    assert LEAF_FORMAT_WITH_AUTHORITY == 2
    assert leaf(able).hex() == "bad50c4321c8c1a746c049f79485b60c66c83e579473671694746dab10160e49"


def test_leaf_format_1_never_changes() -> None:
    assert LEAF_FORMAT == 1
    assert leaf().hex() == "e8e564ee939329ae93df6683b88e43dc6d571cc28a34a0f5fce3709fc1833175"


def test_what_is_absent_is_null() -> None:
    bare = Provenance(
        actor="local", actor_kind="local", command_id=PROVENANCE.command_id, correlation_id="c"
    )
    absent = {
        name for name, value in columns(ENVELOPE._replace(provenance=bare)).items() if value is None
    }
    assert absent == {
        "on_behalf_of",
        "agent_build",
        "command_key_hash",
        "causation_id",
        "traceparent",
    }


def other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case int():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value[::-1]
        case UUID():
            return UUID(int=value.int ^ 1)
        case datetime():
            return value.replace(microsecond=value.microsecond ^ 1)
        case date():
            return date(2011, 10, 31)
        case _:
            raise TypeError(type(value))


@pytest.mark.parametrize("field", [name for name in Envelope._fields if name != "provenance"])
def test_any_other_column_gives_another_leaf(field: str) -> None:
    changed = ENVELOPE._replace(**{field: other(getattr(ENVELOPE, field))})
    assert leaf(changed) != leaf()


@pytest.mark.parametrize("field", Provenance._fields)
def test_any_other_provenance_gives_another_leaf(field: str) -> None:
    whole = PROVENANCE._replace(authority=AUTHORITY)
    value = getattr(whole, field)
    changed = {leaf(ENVELOPE._replace(provenance=whole._replace(**{field: other(value)})))}
    if field not in ("actor", "actor_kind", "command_id", "correlation_id"):
        absent: dict[str, Any] = {field: None}
        changed.add(leaf(ENVELOPE._replace(provenance=whole._replace(**absent))))
    assert leaf(ENVELOPE._replace(provenance=whole)) not in changed


def test_other_data_or_another_ledger_gives_another_leaf() -> None:
    assert len({leaf(), leaf(data=DATA + b" "), leaf(ledger_id=UUID(int=1))}) == 3


def test_every_column_is_in_the_leaf() -> None:
    named = {*Envelope._fields, *Provenance._fields}
    able = ENVELOPE._replace(provenance=PROVENANCE._replace(authority=AUTHORITY))
    assert set(columns(able)) == named - {"provenance"}
    assert set(columns(ENVELOPE)) == named - {"provenance", "authority"}
