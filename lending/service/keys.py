"""API keys: how one reads, and what the ledger keeps of it.

A key is `lk_<key id>_<secret>`, the secret 256 random bits. The ledger keeps an HMAC (RFC 2104) of
it under a pepper that lies, wrapped by the master key, in the vault; so who reads the log cannot
even tell whether a key that was found somewhere is one of this ledger's.
"""

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from lending.ledger.sealing import Randomness

PEPPER_NAME: Final = "api_key_pepper"
"""The name of the pepper in `vault.secrets`."""

PREFIX: Final = "lk_"
"""What every key begins with, so that whoever searches files for secrets finds it."""

_ID_BYTES: Final = 10
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"lk_([a-z2-7]{16})_[a-z2-7]{52}", re.ASCII)
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key that was just made. Its text is shown once and kept nowhere."""

    key_id: str
    text: str = field(repr=False)


def make_key(randomness: Randomness) -> FreshKey:
    """A new key."""
    key_id = _text(randomness(_ID_BYTES))
    return FreshKey(key_id, f"{PREFIX}{key_id}_{_text(randomness(_SECRET_BYTES))}")


def _text(random: bytes) -> str:
    return b32encode(random).decode("ascii").rstrip("=").lower()


def key_id_of(text: str) -> str | None:
    """The id in a key, None where `text` has not the form of one."""
    found = _FORM.fullmatch(text)
    return None if found is None else found[1]


class KeyDigests:
    """Makes and checks what the ledger keeps of a key."""

    def __init__(self, pepper: bytes) -> None:
        self._keyed = hmac.new(pepper, digestmod=sha256)

    def digest(self, text: str) -> str:
        """What is kept of a key, in hexadecimal."""
        digest = self._keyed.copy()
        digest.update(text.encode())
        return digest.hexdigest()

    def matches(self, text: str, kept: str | None) -> bool:
        """Whether `kept` is of this key. Without anything to compare with it takes as long."""
        same = hmac.compare_digest(self.digest(text), kept or _NO_DIGEST)
        return same and kept is not None
