"""The keys that checkpoints of the log are signed with, as events and fold: their public halves only.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyIssued:
    """Checkpoints of this shard are signed with this key from here on.

    `public_key` is Ed25519 (RFC 8032) in base64, `vkey` the same as verifiers take it, under the
    name of the epoch it was issued in. Where it replaces another, that one signs beside it until
    `replaced_until`.
    """

    stored_as: ClassVar[str] = "signing_key_issued"
    schema_version: ClassVar[int] = 1
    key_id: str
    public_key: str
    vkey: str
    replaces: str | None = None
    replaced_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A signing key as the registry knows it; `signs_until` is None for the one in use."""

    key_id: str
    public_key: str
    vkey: str
    position: int
    signs_until: datetime | None = None

    def signs(self, now: datetime) -> bool:
        """Whether checkpoints are signed with it."""
        return self.signs_until is None or now < self.signs_until


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """Every key that ever signed, by id: what they signed has to be verified for ever."""

    keys: Mapping[str, SigningKey] = field(default_factory=dict)

    @property
    def current(self) -> SigningKey | None:
        """The key in use."""
        return next((key for key in self.keys.values() if key.signs_until is None), None)


NO_SIGNING_KEYS: Final = SigningKeys()
"""Before the first was issued."""


def evolve_signing_keys(known: SigningKeys, event: SigningKeyIssued, position: int) -> SigningKeys:
    """The keys after an event at `position`."""
    keys = dict(known.keys)
    old = None if event.replaces is None else keys.get(event.replaces)
    if old is not None:
        keys[old.key_id] = replace(old, signs_until=event.replaced_until)
    keys[event.key_id] = SigningKey(
        key_id=event.key_id, public_key=event.public_key, vkey=event.vkey, position=position
    )
    return SigningKeys(keys=keys)
