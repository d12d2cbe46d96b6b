"""Who is known to a ledger, and what ends a key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.identities import (
    NOBODY,
    Identities,
    IdentityEvent,
    KeyIssued,
    KeyRevoked,
    evolve_identities,
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
    known = NOBODY
    for event in events:
        known = evolve_identities(known, event)
    return known


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
