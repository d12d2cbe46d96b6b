"""What the events of an application cite: which events of the registry belong to its evidence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lending.domain.identities import KeyIssued, KeyRevoked, PrincipalRegistered
from lending.domain.models import MODEL_EVENTS
from lending.domain.policies import POLICY_EVENTS, Policies
from lending.domain.products import PRODUCT_EVENTS
from lending.domain.registry import EpochOpened
from lending.domain.signing import SigningKeyIssued, SigningKeyRevoked
from lending.domain.suspensions import SUSPENSION_EVENTS
from lending.ledger.read import StoredEvent
from lending.policy.catalogue import others_of

ALWAYS: Final = tuple(kind.stored_as for kind in (SigningKeyIssued, SigningKeyRevoked, EpochOpened))
"""Events of the registry that belong to all evidence: what checkpoints are signed with, and where
the log lost an end.
"""
CREDENTIAL: Final = "key "
"""What the credential of a principal begins with that proved itself by a key of this ledger."""

Wanted = tuple[str, str, str]
"""Events of the registry: their type, and the name and version that they are about."""


def cited(events: Iterable[StoredEvent], policies: Policies) -> Sequence[Wanted]:
    """Which events of the registry these events cite: about policies (and those that they are built
    on), products, score models, principals and their keys.
    """
    found: set[Wanted] = set()
    for one in events:
        found |= _by_whom(one)
        found |= _named(one.data, policies)
    return sorted(found)


def _by_whom(one: StoredEvent) -> set[Wanted]:
    names = {one.actor} if one.on_behalf_of is None else {one.actor, one.on_behalf_of}
    found = {(PrincipalRegistered.stored_as, name, "") for name in names}
    found |= {(kind.stored_as, name, "") for kind in SUSPENSION_EVENTS for name in names}
    credential = str((one.authority or {}).get("credential") or "")
    if credential.startswith(CREDENTIAL):
        key_id = credential.removeprefix(CREDENTIAL)
        found |= {(kind.stored_as, key_id, "") for kind in (KeyIssued, KeyRevoked)}
    return found


def _named(data: Mapping[str, Any], policies: Policies) -> set[Wanted]:
    found: set[Wanted] = set()
    if isinstance(policy := data.get("policy"), dict):
        for name, version in _with_others(policy, policies):
            found |= _all(POLICY_EVENTS, name, version)
            found |= {
                (kind.stored_as, about, "")
                for kind in SUSPENSION_EVENTS
                for about in (name, f"{name}@{version}")
            }
    if isinstance(product := data.get("product"), dict):
        found |= _all(PRODUCT_EVENTS, product.get("name"), product.get("version"))
    if "model" in data:
        found |= _all(MODEL_EVENTS, data["model"], data.get("model_version"))
    return found


def _all(kinds: Iterable[Any], name: Any, version: Any) -> set[Wanted]:
    return {(kind.stored_as, str(name), str(version)) for kind in kinds}


def _with_others(policy: Mapping[str, Any], policies: Policies) -> Iterable[tuple[str, str]]:
    """The policy, and those on record that it is built on."""
    name, version = str(policy.get("name")), str(policy.get("version"))
    on_record = policies.version(name, version)
    nested = {} if on_record is None else others_of(on_record.definition, policies)
    return [(name, version), *(_split(key) for key in nested)]


def _split(key: str) -> tuple[str, str]:
    name, _, version = key.partition("@")
    return name, version
