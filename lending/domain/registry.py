"""The registry: one reserved stream a shard, for what belongs to no application.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final, NamedTuple, assert_never, get_args

from lending.domain.application.events import PolicyCited
from lending.domain.identities import (
    NOBODY,
    Identities,
    IdentityEvent,
    KeyIssued,
    KeyRevoked,
    PrincipalRegistered,
    fold_identities,
)
from lending.domain.products import (
    NO_PRODUCTS,
    ProductEvent,
    ProductPublished,
    Products,
    ProductWithdrawn,
    evolve_products,
)
from lending.domain.suspensions import (
    NOTHING_SUSPENDED,
    Reinstated,
    Suspended,
    SuspensionEvent,
    Suspensions,
    evolve_suspensions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPublished:
    """A version of a credit policy went on record; `digest` is the SHA-256 of `definition`."""

    stored_as: ClassVar[str] = "policy_published"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    definition: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyActivated:
    """From here on this version decides where a decision names no outcome."""

    stored_as: ClassVar[str] = "policy_activated"
    schema_version: ClassVar[int] = 1
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochOpened:
    """The log continues after its tail was lost.

    Positions from `first_position` on are another history's than those that were lost.
    `system_identifier` and `timeline` are those of the PostgreSQL that the new epoch began on.
    """

    stored_as: ClassVar[str] = "epoch_opened"
    schema_version: ClassVar[int] = 1
    epoch: int
    first_position: int
    reason: str
    system_identifier: str
    timeline: int


RegistryEvent = (
    PolicyPublished
    | PolicyActivated
    | EpochOpened
    | PrincipalRegistered
    | KeyIssued
    | KeyRevoked
    | Suspended
    | Reinstated
    | ProductPublished
    | ProductWithdrawn
)
"""Any event of a registry stream."""

REGISTRY_EVENTS: Final[tuple[type[RegistryEvent], ...]] = get_args(RegistryEvent)
"""Every event class of a registry stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What a shard's registry says now.

    `epoch_starts` gives the first position of each epoch but the first.
    """

    policies: Mapping[tuple[str, str], PolicyCited] = field(default_factory=dict)
    active_policy: PolicyCited | None = None
    epoch_starts: Mapping[int, int] = field(default_factory=dict)
    identities: Identities = NOBODY
    suspensions: Suspensions = NOTHING_SUSPENDED
    products: Products = NO_PRODUCTS

    def cut_after(self, epoch: int) -> int | None:
        """The first position that `epoch` does not vouch for: where the earliest later one began.

        A later epoch can begin before an earlier one did, whose own beginning was lost with it.
        """
        return min(
            (first for later, first in self.epoch_starts.items() if later > epoch), default=None
        )


EMPTY_REGISTRY: Final = Registry()
"""The registry before its first event."""


class Recorded(NamedTuple):
    """An event of a registry, at its position of the shard, and when it was recorded."""

    event: RegistryEvent
    position: int
    at: datetime


def fold_registry(registry: Registry, recorded: Iterable[Recorded]) -> Registry:
    """The registry after a stretch of its events."""
    of_identities: list[tuple[IdentityEvent, datetime]] = []
    for event, position, at in recorded:
        if isinstance(event, PrincipalRegistered | KeyIssued | KeyRevoked):
            of_identities.append((event, at))
        else:
            registry = _evolve(registry, event, position)
    if not of_identities:
        return registry
    return replace(registry, identities=fold_identities(registry.identities, of_identities))


def _evolve(
    registry: Registry,
    event: PolicyPublished | PolicyActivated | EpochOpened | SuspensionEvent | ProductEvent,
    position: int,
) -> Registry:
    match event:
        case PolicyPublished(name=name, version=version, digest=digest):
            cited = PolicyCited(
                name=name, version=version, digest=digest, registry_position=position
            )
            return replace(registry, policies={**registry.policies, (name, version): cited})
        case PolicyActivated(name=name, version=version):
            return replace(registry, active_policy=registry.policies[name, version])
        case EpochOpened(epoch=epoch, first_position=first_position):
            return replace(registry, epoch_starts={**registry.epoch_starts, epoch: first_position})
        case Suspended() | Reinstated():
            suspensions = evolve_suspensions(registry.suspensions, event, position)
            return replace(registry, suspensions=suspensions)
        case ProductPublished() | ProductWithdrawn():
            return replace(registry, products=evolve_products(registry.products, event, position))
        case _:
            assert_never(event)
