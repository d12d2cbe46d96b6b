"""Keyed hashes of requests and idempotency keys.

They are HMACs with the ledger's own secret: a bare hash of a short request could be guessed back
(RFC 2104).
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from lending.ledger.canonical import canonical_json, instant_text
from lending.ledger.plain import plain, shortest_text

SECRET_NAME: Final = "request_fingerprint"  # noqa: S105 the name of a secret, not the secret
SECRET_BYTES: Final = 32


class Fingerprints:
    """Makes the ledger's keyed hashes."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.new(secret, digestmod=sha256)

    def request(
        self, method: str, path: str, sent: Mapping[str, Any], effective_at: datetime | None
    ) -> bytes:
        """What tells a repeated request from another one: method, path, the fields sent, the
        effective instant.

        A field that is added to a command later does not change it, for only what was sent is in
        it.
        """
        at = None if effective_at is None else instant_text(effective_at)
        what = [method, path, plain(sent, shortest_text), at]
        return self._digest(b"request\x00" + canonical_json(what))

    def key(self, principal: str, target: UUID, key: str) -> bytes:
        """What an event keeps of its command's idempotency key."""
        return self._digest(b"key\x00" + canonical_json([principal, str(target), key]))

    def _digest(self, what: bytes) -> bytes:
        # A copy of what is keyed already takes a quarter of the time of keying anew.
        digest = self._keyed.copy()
        digest.update(what)
        return digest.digest()
