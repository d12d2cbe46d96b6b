"""Personal data at rest: every person in an application has a key, wrapped by the master key.

A personal value is stored as `{"sealed": base64(nonce || ciphertext || tag), "subject":
pseudonym}`, AES-256-GCM with the application, the person and the field as associated data (NIST SP
800-38D). Destroying a person's key erases their data wherever the log was copied to; hashes and
proofs stand.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

Randomness = Callable[[int], bytes]
"""Gives that many unpredictable bytes: `os.urandom` in a program."""


class SealBroken(Exception):
    """Sealed data does not open.

    A key, the value or the place it stands in was changed, or the row of its key is missing.
    """


class MasterKey:
    """The key that wraps all other keys of a ledger.

    AES-256-GCM, with the wrapped key's purpose as associated data. While a new one comes into use
    the ones before it open what they have wrapped.
    """

    def __init__(self, key: bytes, randomness: Randomness) -> None:
        """`key` has 32 bytes, or those of each key before it too, the one in use first."""
        if not key or len(key) % KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes, this one {len(key)}")
        ciphers = (AESGCM(key[at : at + KEY_BYTES]) for at in range(0, len(key), KEY_BYTES))
        self._cipher, *self._before = ciphers
        self._randomness = randomness

    def wrap(self, key: bytes, purpose: bytes) -> bytes:
        """`key` encrypted for storage; it opens only for the same `purpose`."""
        nonce = self._randomness(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, purpose)

    def unwrap(self, wrapped: bytes, purpose: bytes) -> bytes:
        """The key that `wrap` encrypted. Raises SealBroken."""
        for cipher in (self._cipher, *self._before):
            if (key := _opened(cipher, wrapped, purpose)) is not None:
                return key
        raise SealBroken(
            "a wrapped key does not open: it was changed, or is another one's; or, where none opens,"
            " this is not the ledger's master key"
        )

    def wrapped_anew(self, wrapped: bytes, purpose: bytes) -> bytes | None:
        """What a key before has wrapped, wrapped with the one in use; None where it is already.

        Raises SealBroken.
        """
        if _opened(self._cipher, wrapped, purpose) is not None:
            return None
        return self.wrap(self.unwrap(wrapped, purpose), purpose)


def _opened(cipher: AESGCM, wrapped: bytes, purpose: bytes) -> bytes | None:
    try:
        return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `vault.subject_keys`: a person's key in one application, encrypted.

    `wrapped` is None once the key was destroyed.
    """

    subject: str
    wrapped: bytes | None


class Keyring:
    """The keys of the persons in one application. `None` stands for a key that was destroyed."""

    __slots__ = ("_application_id", "_ciphers", "_prefix", "_randomness")

    def __init__(
        self,
        application_id: UUID,
        randomness: Randomness,
        ciphers: Mapping[str, AESGCM | None] | None = None,
    ) -> None:
        self._application_id = application_id
        self._prefix = f"{application_id}/"
        self._randomness = randomness
        self._ciphers: dict[str, AESGCM | None] = dict(ciphers or {})

    @classmethod
    def unwrap(
        cls, application_id: UUID, rows: list[WrappedKey], master: MasterKey, randomness: Randomness
    ) -> "Keyring":
        """The keyring of stored rows. Raises SealBroken where a row does not open."""
        ciphers = {
            row.subject: None
            if row.wrapped is None
            else AESGCM(master.unwrap(row.wrapped, key_purpose(application_id, row.subject)))
            for row in rows
        }
        return cls(application_id, randomness, ciphers)

    def holds(self, subject: str) -> bool:
        """Whether `subject` has a key here, destroyed or not."""
        return subject in self._ciphers

    def without(self, subjects: Collection[str]) -> "Keyring":
        """The same, as if the keys of these persons were destroyed."""
        destroyed = dict.fromkeys(self._ciphers.keys() & subjects)
        return Keyring(self._application_id, self._randomness, {**self._ciphers, **destroyed})

    def grow(self, subjects: list[str], master: MasterKey) -> tuple["Keyring", list[WrappedKey]]:
        """A keyring with new keys for those of `subjects` that have none, and the rows to store."""
        missing = [subject for subject in subjects if subject not in self._ciphers]
        if not missing:
            return self, []
        keys = {subject: self._randomness(KEY_BYTES) for subject in missing}
        rows = [
            WrappedKey(s, master.wrap(key, key_purpose(self._application_id, s)))
            for s, key in keys.items()
        ]
        ciphers = self._ciphers | {subject: AESGCM(key) for subject, key in keys.items()}
        return Keyring(self._application_id, self._randomness, ciphers), rows

    def seal(self, subject: str, place: str, value: bytes) -> str:
        """`value` encrypted with the key of `subject` for `place` (event and field). Raises
        SealBroken without key.
        """
        cipher = self._ciphers.get(subject)
        if cipher is None:
            raise SealBroken(f"no key for a person in application {self._application_id}")
        nonce = self._randomness(NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, value, self._associated(subject, place))
        return _text_of(sealed)

    def unseal(self, subject: str, place: str, sealed: str) -> bytes | None:
        """The value that `seal` encrypted, or None where the person's key was destroyed.

        Raises SealBroken.
        """
        if subject not in self._ciphers:
            raise SealBroken(
                f"the key of a person in application {self._application_id} is missing"
            )
        cipher = self._ciphers[subject]
        if cipher is None:
            return None
        try:
            blob = _bytes_of(sealed)
            associated = self._associated(subject, place)
            return cipher.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                f"{place} of application {self._application_id} does not open"
            ) from error

    def _associated(self, subject: str, place: str) -> bytes:
        return f"{self._prefix}{subject}/{place}".encode()


def _text_of(blob: bytes) -> str:
    return b2a_base64(blob, newline=False).decode("ascii")


def _bytes_of(text: str) -> bytes:
    """The bytes that `_text_of` wrote; base64 has other spellings of them, which are refused."""
    blob = a2b_base64(text, strict_mode=True)
    if _text_of(blob) != text:
        raise ValueError("not the base64 text that was written")
    return blob


def key_purpose(application_id: UUID, subject: str) -> bytes:
    """What a person's wrapped key is bound to."""
    return f"subject-key/{application_id}/{subject}".encode()


def signing_key_purpose(shard: int, key_id: str) -> bytes:
    """What a wrapped key that checkpoints are signed with is bound to."""
    return f"signing-key/{shard}/{key_id}".encode()
