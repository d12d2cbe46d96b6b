"""Who is known to a ledger: principals, and the keys they prove themselves with, as events and fold.

The ledger never keeps a key, only what a key can be checked against.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final, assert_never, get_args

from lending.domain.authority import Principal, PrincipalKind, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalRegistered:
    """A principal is known from here on; registered again, what it may do is replaced.

    `limits` are the largest amounts it may approve, by currency, as decimals.
    """

    stored_as: ClassVar[str] = "principal_registered"
    schema_version: ClassVar[int] = 1
    name: str
    kind: PrincipalKind
    roles: tuple[Role, ...]
    limits: Mapping[str, str] = field(default_factory=dict)
    acts_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssued:
    """A key was issued to a principal; `digest` is a keyed hash of it, in hexadecimal.

    Where it replaces another, that one ends at `replaced_until` at the latest.
    """

    stored_as: ClassVar[str] = "key_issued"
    schema_version: ClassVar[int] = 1
    key_id: str
    principal: str
    digest: str
    expires_at: datetime | None = None
    replaces: str | None = None
    replaced_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """A key is good for nothing any more."""

    stored_as: ClassVar[str] = "key_revoked"
    schema_version: ClassVar[int] = 1
    key_id: str
    reason: str


IdentityEvent = PrincipalRegistered | KeyIssued | KeyRevoked
"""Any event about who is known."""

IDENTITY_EVENTS: Final[tuple[type[IdentityEvent], ...]] = get_args(IdentityEvent)
"""Every event class about who is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the ledger knows it."""

    key_id: str
    principal: str
    digest: str
    expires_at: datetime | None = None
    replaced_by: str | None = None
    revoked_because: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is neither revoked nor past its end."""
        return self.revoked_because is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Principals by name, and keys by id, those that ended included."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)

    def keys_of(self, principal: str, now: datetime) -> list[Key]:
        """The keys of a principal that hold."""
        return [k for k in self.keys.values() if k.principal == principal and k.holds(now)]


NOBODY: Final = Identities()
"""Before anybody was registered."""


def registration(principal: Principal) -> PrincipalRegistered:
    """The event that makes `principal` known as it is."""
    return PrincipalRegistered(
        name=principal.name,
        kind=principal.kind,
        roles=tuple(role for role in Role if role in principal.roles),
        limits={
            currency: format(amount, "f") for currency, amount in sorted(principal.limits.items())
        },
        acts_for=tuple(sorted(principal.acts_for)),
    )


def evolve_identities(known: Identities, event: IdentityEvent) -> Identities:
    """Who is known after `event`."""
    match event:
        case PrincipalRegistered(name=name):
            principal = Principal(
                name=name,
                kind=event.kind,
                roles=frozenset(event.roles),
                limits={currency: Decimal(amount) for currency, amount in event.limits.items()},
                acts_for=frozenset(event.acts_for),
            )
            return replace(known, principals={**known.principals, name: principal})
        case KeyIssued(key_id=key_id):
            issued = Key(
                key_id=key_id,
                principal=event.principal,
                digest=event.digest,
                expires_at=event.expires_at,
            )
            return replace(known, keys={**known.keys, **_replaced(known, event), key_id: issued})
        case KeyRevoked(key_id=key_id, reason=reason):
            revoked = replace(known.keys[key_id], revoked_because=reason)
            return replace(known, keys={**known.keys, key_id: revoked})
        case _:
            assert_never(event)


def _replaced(known: Identities, event: KeyIssued) -> dict[str, Key]:
    if event.replaces is None:
        return {}
    old = known.keys[event.replaces]
    ends = [end for end in (old.expires_at, event.replaced_until) if end is not None]
    return {old.key_id: replace(old, expires_at=min(ends, default=None), replaced_by=event.key_id)}
