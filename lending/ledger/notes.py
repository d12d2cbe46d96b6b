"""Signed notes: text with Ed25519 signatures of named keys (c2sp.org/signed-note, RFC 8032).

A note is its text, which ends in a newline, an empty line, and a line for each signature: em dash,
key name, base64 of key id and signature. A key is known by its `vkey`:
NAME+KEY_ID+base64(0x01 || public key), as golang.org/x/mod/sumdb/note writes it.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES: Final = 32
"""The size of a private key (its seed), and of a public one (RFC 8032, section 5.1.5)."""
KEY_ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
SIGNATURES_MAX: Final = 64
"""More signature lines than this no note has that is read here."""

_ED25519: Final = b"\x01"
_LINE: Final = "\N{EM DASH} "
_FIRST_PRINTABLE: Final = 0x20


class NoteFault(Exception):
    """A note, or a key of one, that is not what the format says, or is not signed by a known key."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key, and the name it signs under."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        """Raise NoteFault for a name or key that no note can have."""
        check_name(self.name)
        if len(self.public_key) != KEY_BYTES:
            raise NoteFault(f"a public key has {KEY_BYTES} bytes, this one {len(self.public_key)}")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[
            :KEY_ID_BYTES
        ]

    @property
    def vkey(self) -> str:
        """The key as it is handed to whoever verifies."""
        return f"{self.name}+{self.key_id.hex()}+{encoded(_ED25519 + self.public_key)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's of `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and the name it signs under."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> Verifier:
        """The public key that goes with it."""
        return Verifier(self.name, public_key_of(self.seed))

    def line(self, text: str) -> str:
        """The signature line of `text`."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{_LINE}{self.name} {encoded(self.verifier.key_id + signature)}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line of a note, read."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was read, its signatures not verified yet."""

    text: str
    signatures: tuple[Signature, ...]


def public_key_of(seed: bytes) -> bytes:
    """The public key of a private one."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def check_name(name: str) -> None:
    """Raise NoteFault for what is no key name: empty, or with a space, a plus or a control."""
    wrong = any(one.isspace() or one == "+" or ord(one) < _FIRST_PRINTABLE for one in name)
    if not name or wrong:
        raise NoteFault(f"{name!r} cannot be the name of a key")


def encoded(blob: bytes) -> str:
    """Base64 with padding (RFC 4648, section 4), as notes write it."""
    return b64encode(blob).decode("ascii")


def decoded(text: str, what: str, size: int | None = None) -> bytes:
    """The bytes that `encoded` writes as `text`. Raises NoteFault, also for another spelling."""
    try:
        blob = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        raise NoteFault(f"{what} is not base64") from None
    if encoded(blob) != text or (size is not None and len(blob) != size):
        bytes_wanted = "" if size is None else f" of {size} bytes"
        raise NoteFault(f"{what} is not base64{bytes_wanted} in its one spelling")
    return blob


def parse_vkey(text: str) -> Verifier:
    """The key that a vkey names. Raises NoteFault."""
    name, _, rest = text.strip().partition("+")
    key_id, _, key = rest.partition("+")
    blob = decoded(key, "the key of a vkey", 1 + KEY_BYTES)
    if blob[:1] != _ED25519:
        raise NoteFault("the vkey is of another kind than Ed25519")
    verifier = Verifier(name, blob[1:])
    if verifier.key_id.hex() != key_id:
        raise NoteFault("the id in the vkey is not that of its name and key")
    return verifier


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """The note of `text` with these signatures. Raises NoteFault for text that cannot be signed."""
    _check_text(text)
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def parse_note(note: str) -> Note:
    """A note, read. Raises NoteFault."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteFault("this is no signed note: no signatures stand behind an empty line")
    rows = lines[:-1].split("\n")
    if len(rows) > SIGNATURES_MAX:
        raise NoteFault(f"a note has at most {SIGNATURES_MAX} signatures, this one {len(rows)}")
    _check_text(text + "\n")
    return Note(text + "\n", tuple(_signature(row) for row in rows))


def open_note(note: str, verifiers: Iterable[Verifier]) -> tuple[Note, tuple[Verifier, ...]]:
    """A note, and those of `verifiers` that signed it. Raises NoteFault where none did, and where
    one of them is named whose signature is wrong. Signatures of other keys are passed over.
    """
    opened = parse_note(note)
    known = {(one.name, one.key_id): one for one in verifiers}
    signed: list[Verifier] = []
    for signature in opened.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if not verifier.verifies(opened.text, signature.signature):
            raise NoteFault(f"the signature of {verifier.name} is wrong")
        signed.append(verifier)
    if not signed:
        raise NoteFault("the note is not signed by any key that is known")
    return opened, tuple(signed)


def _check_text(text: str) -> None:
    if not text.endswith("\n") or text == "\n":
        raise NoteFault("the text of a note ends in a newline, and is more than that")
    if any(ord(one) < _FIRST_PRINTABLE and one != "\n" for one in text):
        raise NoteFault("the text of a note holds a control character")


def _signature(row: str) -> Signature:
    name, space, blob = row.removeprefix(_LINE).partition(" ")
    if not row.startswith(_LINE) or not space:
        raise NoteFault("a signature line of the note is not of the form it has to have")
    check_name(name)
    whole = decoded(blob, "a signature of the note")
    if len(whole) <= KEY_ID_BYTES:
        raise NoteFault("a signature of the note is too short")
    return Signature(name, whole[:KEY_ID_BYTES], whole[KEY_ID_BYTES:])
