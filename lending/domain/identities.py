"""Who is known to a ledger: principals, and the keys they prove themselves with, as events and fold.

The ledger never keeps a key, only what a key can be checked against.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Iterable, Mapping
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
    """Principals by name, and keys by id: those that hold, and of each principal some that ended."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)

    def keys_of(self, principal: str, now: datetime) -> list[Key]:
        """The keys of a principal that hold."""
        return [k for k in self.keys.values() if k.principal == principal and k.holds(now)]


ENDED_KEYS_KEPT: Final = 10
"""Keys of one principal that are still known after they ended, the latest ones."""

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


def fold_identities(
    known: Identities, events: Iterable[tuple[IdentityEvent, datetime]]
) -> Identities:
    """Who is known after events, each with the instant at which it was recorded."""
    folding = _Folding(known)
    for event, at in events:
        folding.take(event, at)
    return folding.folded()


class _Folding:
    """Folds a stretch of events: what was known is copied once for all of them."""

    def __init__(self, known: Identities) -> None:
        self._principals = dict(known.principals)
        self._keys = dict(known.keys)
        self._ids: dict[str, list[str]] = {}
        for key in self._keys.values():
            self._ids.setdefault(key.principal, []).append(key.key_id)

    def folded(self) -> Identities:
        """Who is known by now."""
        return Identities(principals=self._principals, keys=self._keys)

    def take(self, event: IdentityEvent, at: datetime) -> None:
        """Fold one event, recorded at the instant `at`."""
        match event:
            case PrincipalRegistered():
                self._principals[event.name] = _registered(event)
            case KeyIssued():
                self._replace(event)
                self._keys[event.key_id] = Key(
                    key_id=event.key_id,
                    principal=event.principal,
                    digest=event.digest,
                    expires_at=event.expires_at,
                )
                self._ids.setdefault(event.principal, []).append(event.key_id)
                self._drop_ended(event.principal, at)
            case KeyRevoked(key_id=key_id, reason=reason):
                if key_id in self._keys:
                    self._keys[key_id] = replace(self._keys[key_id], revoked_because=reason)
            case _:
                assert_never(event)

    def _replace(self, event: KeyIssued) -> None:
        old = None if event.replaces is None else self._keys.get(event.replaces)
        if old is None:
            return
        ends = [end for end in (old.expires_at, event.replaced_until) if end is not None]
        self._keys[old.key_id] = replace(
            old, expires_at=min(ends, default=None), replaced_by=event.key_id
        )

    def _drop_ended(self, principal: str, at: datetime) -> None:
        """Forget the keys of a principal that ended before the last ENDED_KEYS_KEPT that did.

        By the log's own clock, so that every process knows the same keys at the same version.
        """
        ids = self._ids[principal]
        ended = [key_id for key_id in ids if not self._keys[key_id].holds(at)]
        for key_id in ended[:-ENDED_KEYS_KEPT]:
            ids.remove(key_id)
            del self._keys[key_id]


def _registered(event: PrincipalRegistered) -> Principal:
    return Principal(
        name=event.name,
        kind=event.kind,
        roles=frozenset(event.roles),
        limits={currency: Decimal(amount) for currency, amount in event.limits.items()},
        acts_for=frozenset(event.acts_for),
    )
