"""The largest envelope that can come about fits into what an envelope may have."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from lending.api.headers import read_command_headers
from lending.api.problems import Problem
from lending.domain.application.events import EVENTS
from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.money import MINOR_UNIT_DIGITS, WHOLE_DIGITS
from lending.domain.registry import REGISTRY_EVENTS
from lending.ledger.leaf import Envelope, Provenance, columns, leaf_entry
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.service.authority import Authority
from lending.service.principals import InvalidPrincipal, principal_of, token_name

NOW = datetime(2026, 11, 25, 22, 35, 12, 123456, tzinfo=UTC)
LONGEST = '"' * limits.OPAQUE_ID_MAX_CHARACTERS
"""What grows most of printable ASCII when it is written as JSON."""
SMALLINT, INTEGER, BIGINT = 2**15 - 1, 2**31 - 1, 2**63 - 1


def amounts(count: int) -> dict[str, str]:
    """The largest amounts, in the currencies with the most digits."""
    most = sorted(MINOR_UNIT_DIGITS.items(), key=lambda item: -item[1])[:count]
    return {
        currency: "9" * WHOLE_DIGITS + ("." + "9" * digits if digits else "")
        for currency, digits in most
    }


def largest_principal() -> Principal:
    """Who has as many roles and limits, and as long a name, as anybody may."""
    found = principal_of(
        token_name('"' * (limits.OPAQUE_ID_MAX_CHARACTERS - len("jwt:"))),
        kind=PrincipalKind.SYSTEM.value,
        roles=[role.value for role in Role if role is not Role.IMPORTER],
        amounts=amounts(limits.AMOUNTS_MAX),
        acts_for=["*"],
    )
    issuer = "\x01" * limits.TOKEN_ISSUER_MAX_CHARACTERS  # six bytes each
    return replace(found, credential=f"token of {issuer}")


def test_the_largest_envelope_fits() -> None:
    sent = read_command_headers(
        {
            name.encode(): LONGEST.encode()
            for name in (
                "lending-actor", "lending-agent-build", "correlation-id", "causation-id",
            )
        }
        | {b"traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"},
        lambda: NOW,
    )  # fmt: skip
    assert sent.correlation_id == sent.causation_id == sent.agent_build == LONGEST
    principal = largest_principal()
    envelope = Envelope(
        shard=SMALLINT,
        position=BIGINT,
        application_id=UUID(int=1),
        version=INTEGER,
        event_type=max((one.stored_as for one in (*EVENTS, *REGISTRY_EVENTS)), key=len),
        schema_version=SMALLINT,
        epoch=INTEGER,
        recorded_at=NOW,
        effective_at=NOW.replace(year=1900),
        effective_on=date(1900, 1, 1),
        provenance=Provenance(
            actor=principal.name,
            actor_kind=max(PrincipalKind, key=len),
            command_id=UUID(int=2),
            correlation_id=LONGEST,
            on_behalf_of=sent.on_behalf_of,
            agent_build=sent.agent_build,
            command_key_hash=b"\xff" * 32,
            causation_id=sent.causation_id,
            traceparent=sent.traceparent,
            authority=Authority({}, ZoneInfo("UTC")).text_of(principal),
        ),
    )
    encoded = leaf_entry(UUID(int=3), columns(envelope), b"{}")
    assert encoded.count(b'\\"') >= 5 * limits.OPAQUE_ID_MAX_CHARACTERS - len("jwt:")
    assert len(encoded) <= limits.EVENT_ENVELOPE_MAX_BYTES
    assert len(encoded) > limits.EVENT_ENVELOPE_MAX_BYTES * 3 // 4  # as large as was meant


@pytest.mark.parametrize(
    "header", ["lending-actor", "lending-agent-build", "correlation-id", "causation-id"]
)
def test_no_header_is_longer_than_the_largest_envelope_has_it(header: str) -> None:
    with pytest.raises(Problem):
        read_command_headers({header.encode(): LONGEST.encode() + b"x"}, lambda: NOW)


def test_nobody_has_limits_in_more_currencies_than_fit() -> None:
    given: dict[str, Any] = {"kind": "agent", "roles": ["underwriter"], "acts_for": ()}
    most = principal_of("a", amounts=amounts(limits.AMOUNTS_MAX), **given)
    assert len(most.limits) == limits.AMOUNTS_MAX
    assert max(most.limits.values()) < Decimal(10) ** WHOLE_DIGITS
    with pytest.raises(InvalidPrincipal, match="at most 50 currencies"):
        principal_of("a", amounts=amounts(limits.AMOUNTS_MAX + 1), **given)


def test_the_issuer_of_tokens_has_no_longer_name_than_fits() -> None:
    longest = "x" * limits.TOKEN_ISSUER_MAX_CHARACTERS
    given: dict[str, Any] = {"jwt_audience": "lending", "jwt_keys": "https://issuer.test/keys"}
    assert Settings(jwt_issuer=longest, **given).jwt_issuer == longest
    with pytest.raises(ValidationError):
        Settings(jwt_issuer=longest + "x", **given)
