"""The registry: one reserved stream a shard, for what belongs to no application.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final, NamedTuple, assert_never, get_args

from lending.domain.application.events import EVENTS
from lending.domain.identities import (
    NOBODY,
    Identities,
    IdentityEvent,
    KeyIssued,
    KeyRevoked,
    PrincipalRegistered,
    fold_identities,
)
from lending.domain.models import (
    NO_MODELS,
    ModelEvent,
    ModelRegistered,
    Models,
    ModelWithdrawn,
    evolve_models,
)
from lending.domain.policies import (
    NO_POLICIES,
    Policies,
    PolicyActivated,
    PolicyEvent,
    PolicyPublished,
    PolicyWithdrawn,
    evolve_policies,
)
from lending.domain.products import (
    NO_PRODUCTS,
    ProductEvent,
    ProductPublished,
    Products,
    ProductWithdrawn,
    evolve_products,
)
from lending.domain.signing import (
    NO_SIGNING_KEYS,
    SigningKeyEvent,
    SigningKeyIssued,
    SigningKeyRevoked,
    SigningKeys,
    evolve_signing_keys,
)
from lending.domain.subjects import (
    NO_SUBJECTS,
    PersonalDataExported,
    SubjectErased,
    SubjectEvent,
    SubjectHeld,
    SubjectKeysDestroyed,
    SubjectReleased,
    Subjects,
    evolve_subjects,
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
    | PolicyWithdrawn
    | EpochOpened
    | PrincipalRegistered
    | KeyIssued
    | KeyRevoked
    | Suspended
    | Reinstated
    | ProductPublished
    | ProductWithdrawn
    | SubjectEvent
    | ModelRegistered
    | ModelWithdrawn
    | SigningKeyIssued
    | SigningKeyRevoked
)
"""Any event of a registry stream."""

REGISTRY_EVENTS: Final[tuple[type[RegistryEvent], ...]] = tuple(
    kind for kind in get_args(RegistryEvent) if kind not in EVENTS
)
"""Every event class that only a registry stream has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What a shard's registry says now.

    `epoch_starts` gives the first position of each epoch but the first.
    """

    policies: Policies = NO_POLICIES
    epoch_starts: Mapping[int, int] = field(default_factory=dict)
    identities: Identities = NOBODY
    suspensions: Suspensions = NOTHING_SUSPENDED
    products: Products = NO_PRODUCTS
    subjects: Subjects = NO_SUBJECTS
    models: Models = NO_MODELS
    signing_keys: SigningKeys = NO_SIGNING_KEYS

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
            registry = _evolve(registry, event, position, at)
    if not of_identities:
        return registry
    return replace(registry, identities=fold_identities(registry.identities, of_identities))


def _evolve(
    registry: Registry,
    event: PolicyEvent
    | EpochOpened
    | SuspensionEvent
    | ProductEvent
    | ModelEvent
    | SigningKeyEvent
    | SubjectEvent,
    position: int,
    at: datetime,
) -> Registry:
    match event:
        case PolicyPublished() | PolicyActivated() | PolicyWithdrawn():
            return replace(
                registry, policies=evolve_policies(registry.policies, event, position, at)
            )
        case EpochOpened(epoch=epoch, first_position=first_position):
            return replace(registry, epoch_starts={**registry.epoch_starts, epoch: first_position})
        case Suspended() | Reinstated():
            suspensions = evolve_suspensions(registry.suspensions, event, position)
            return replace(registry, suspensions=suspensions)
        case ProductPublished() | ProductWithdrawn():
            return replace(registry, products=evolve_products(registry.products, event, position))
        case (
            SubjectHeld() | SubjectReleased() | SubjectErased() | SubjectKeysDestroyed()
            | PersonalDataExported()
        ):  # fmt: skip
            return replace(registry, subjects=evolve_subjects(registry.subjects, event, position))
        case ModelRegistered() | ModelWithdrawn():
            return replace(registry, models=evolve_models(registry.models, event, position))
        case SigningKeyIssued() | SigningKeyRevoked():
            keys = evolve_signing_keys(registry.signing_keys, event, position)
            return replace(registry, signing_keys=keys)
        case _:
            assert_never(event)
