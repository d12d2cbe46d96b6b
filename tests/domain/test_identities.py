"""Who is known to a ledger, and what ends a key."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.identities import (
    ENDED_KEYS_KEPT,
    NOBODY,
    Identities,
    IdentityEvent,
    KeyIssued,
    KeyRevoked,
    fold_identities,
    registration,
)

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
MUCH_LATER = NOW + timedelta(days=90)
SCORER = Principal(
    name="scorer",
    kind=PrincipalKind.AGENT,
    roles=frozenset({Role.RISK, Role.CONTEXT}),
    limits={"USD": Decimal("50000.00")},
    acts_for=frozenset({"desk-7", "desk-8"}),
)
FIRST = KeyIssued(key_id="one", principal="scorer", digest="d1", expires_at=MUCH_LATER)
SECOND = KeyIssued(
    key_id="two", principal="scorer", digest="d2", replaces="one", replaced_until=LATER
)


def fold(*events: IdentityEvent) -> Identities:
    return fold_identities(NOBODY, [(event, NOW) for event in events])


def test_what_is_registered_is_what_the_principal_is() -> None:
    assert fold(registration(SCORER)).principals == {"scorer": SCORER}


def test_registering_again_replaces_what_it_may_do() -> None:
    other = replace(SCORER, roles=frozenset({Role.INTAKE}), limits={})
    assert fold(registration(SCORER), registration(other)).principals == {"scorer": other}


def test_a_key_holds_until_it_expires() -> None:
    key = fold(registration(SCORER), FIRST).keys["one"]
    assert key.holds(NOW)
    assert not key.holds(MUCH_LATER)


def test_a_replaced_key_ends_after_the_overlap_and_the_new_one_goes_on() -> None:
    known = fold(registration(SCORER), FIRST, SECOND)
    assert (known.keys["one"].expires_at, known.keys["one"].replaced_by) == (LATER, "two")
    assert [key.key_id for key in known.keys_of("scorer", NOW)] == ["one", "two"]
    assert [key.key_id for key in known.keys_of("scorer", LATER)] == ["two"]


def test_an_overlap_never_prolongs_a_key() -> None:
    soon = replace(FIRST, expires_at=NOW + timedelta(hours=1))
    known = fold(registration(SCORER), soon, SECOND)
    assert known.keys["one"].expires_at == NOW + timedelta(hours=1)


def test_a_revoked_key_holds_at_no_time() -> None:
    known = fold(registration(SCORER), FIRST, KeyRevoked(key_id="one", reason="lost"))
    assert not known.keys["one"].holds(NOW)
    assert known.keys["one"].revoked_because == "lost"
    assert known.keys_of("scorer", NOW) == []


def test_of_keys_that_ended_the_latest_are_known_and_many_fold_quickly() -> None:
    events: list[IdentityEvent] = [registration(SCORER), FIRST]
    for number in range(10_000):
        key_id = f"key {number}"
        events.append(KeyIssued(key_id=key_id, principal="scorer", digest="d"))
        events.append(KeyRevoked(key_id=key_id, reason="rotated"))
    began = time.process_time()
    known = fold(*events)
    assert time.process_time() - began < 1
    assert known.keys["one"].holds(NOW)
    assert len(known.keys) == ENDED_KEYS_KEPT + 2
    assert "key 9999" in known.keys
    assert known == fold_identities(fold(*events[:9_001]), [(one, NOW) for one in events[9_001:]])
