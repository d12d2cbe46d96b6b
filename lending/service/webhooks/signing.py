"""Signatures of deliveries, as Standard Webhooks 1.0 has them (standardwebhooks.com).

The id, the time and the body are signed with HMAC-SHA256. While a secret is replaced each valid one
signs, so a receiver that knows any of them is content.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from lending.ledger.leaf import Envelope
from lending.ledger.sealing import Randomness

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret(randomness: Randomness) -> bytes:
    """A new secret."""
    return randomness(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """A secret as its receiver is told it."""
    return PREFIX + b64encode(secret).decode("ascii")


def secret_bytes(text: str) -> bytes:
    """The secret that `secret_text` wrote."""
    return b64decode(text.removeprefix(PREFIX), validate=True)


def message_id(envelope: Envelope) -> str:
    """The id of the delivery of an event, the same at each attempt and to each receiver.

    The epoch is part of it: after a tail of the log was lost, another event can stand at a position.
    """
    return f"evt_{envelope.shard}_{envelope.position}_{envelope.epoch}"


def signed_headers(
    secrets: Sequence[bytes], identifier: str, timestamp: int, body: bytes
) -> list[tuple[bytes, bytes]]:
    """The headers that sign a delivery. `timestamp` is in seconds since 1970."""
    content = f"{identifier}.{timestamp}.".encode("ascii") + body
    signatures = b" ".join(
        b"v1," + b64encode(hmac.new(secret, content, hashlib.sha256).digest()) for secret in secrets
    )
    return [
        (b"webhook-id", identifier.encode("ascii")),
        (b"webhook-timestamp", b"%d" % timestamp),
        (b"webhook-signature", signatures),
    ]
