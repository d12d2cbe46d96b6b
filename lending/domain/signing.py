"""The keys that checkpoints of the log are signed with, as events and fold: their public halves only.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final, assert_never


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
class SigningKeyRevoked:
    """Somebody else may have this key: no checkpoint that covers this event is signed with it.

    What it signed of fewer events proves nothing by itself any more, only where a checkpoint of a
    key that was not revoked extends it.
    """

    stored_as: ClassVar[str] = "signing_key_revoked"
    schema_version: ClassVar[int] = 1
    key_id: str
    reason: str


SigningKeyEvent = SigningKeyIssued | SigningKeyRevoked
"""Any event about signing keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A signing key as the registry knows it; `signs_until` is None for the one in use, and
    `revoked_position` for one that was not revoked.
    """

    key_id: str
    public_key: str
    vkey: str
    position: int
    signs_until: datetime | None = None
    revoked_position: int | None = None
    revoked_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """Every key that ever signed, by id: what they signed has to be verified for ever."""

    keys: Mapping[str, SigningKey] = field(default_factory=dict)

    @property
    def current(self) -> SigningKey | None:
        """The key in use."""
        unreplaced = (key for key in self.keys.values() if key.signs_until is None)
        return next((key for key in unreplaced if key.revoked_position is None), None)


NO_SIGNING_KEYS: Final = SigningKeys()
"""Before the first was issued."""


def evolve_signing_keys(known: SigningKeys, event: SigningKeyEvent, position: int) -> SigningKeys:
    """The keys after an event at `position`."""
    match event:
        case SigningKeyIssued():
            return _issued(known, event, position)
        case SigningKeyRevoked(key_id=key_id, reason=reason):
            revoked = replace(known.keys[key_id], revoked_position=position, revoked_because=reason)
            return SigningKeys(keys={**known.keys, key_id: revoked})
        case _:
            assert_never(event)


def _issued(known: SigningKeys, event: SigningKeyIssued, position: int) -> SigningKeys:
    keys = dict(known.keys)
    old = None if event.replaces is None else keys.get(event.replaces)
    if old is not None:
        keys[old.key_id] = replace(old, signs_until=event.replaced_until)
    keys[event.key_id] = SigningKey(
        key_id=event.key_id, public_key=event.public_key, vkey=event.vkey, position=position
    )
    return SigningKeys(keys=keys)
