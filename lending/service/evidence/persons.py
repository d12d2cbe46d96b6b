"""Persons in evidence: what is sealed with whose key, and what of it is shown.

A personal value stands in the data as `{"sealed", "subject"}`, and that is what is hashed. Where it
is shown, its person's key is shown with it: whoever has both can open what was hashed, and see that
the value is the one in it. AES-GCM gives no shorter proof than the key.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lending.domain.fields import ERASED, Erased
from lending.ledger.canonical import JsonValue, parse_json
from lending.ledger.read import StoredEvent
from lending.ledger.sealing import Keyring, MasterKey, SealBroken, WrappedKey, key_purpose
from lending.service.evidence.model import OpenedValue, PersonShown, PersonState

_SEALED: Final = {"sealed", "subject"}


class SealedValue(NamedTuple):
    """A sealed value in an event's data."""

    pointer: str
    place: str
    subject: str
    sealed: str


def sealed_in(data: JsonValue, place: str, pointer: str = "") -> Iterator[SealedValue]:
    """The sealed values of an event whose type is `place`: JSON pointers (RFC 6901), and the places
    that they were sealed for.
    """
    if isinstance(data, dict):
        if data.keys() == _SEALED:
            yield SealedValue(pointer, place, str(data["subject"]), str(data["sealed"]))
            return
        for name, item in data.items():
            yield from sealed_in(item, f"{place}.{name}", f"{pointer}/{name}")
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from sealed_in(item, place, f"{pointer}/{index}")


def shown(
    application_id: UUID,
    rows: Iterable[WrappedKey],
    erased: Collection[str],
    master: MasterKey | None,
) -> Sequence[PersonShown]:
    """What is shown of each person; without `master` nothing is opened. `erased` are those who are
    on record as erased, their keys destroyed or not yet. Raises SealBroken.
    """
    return [_shown(application_id, row, erased, master) for row in sorted(rows, key=_subject)]


def _shown(
    application_id: UUID, row: WrappedKey, erased: Collection[str], master: MasterKey | None
) -> PersonShown:
    if row.wrapped is None or row.subject in erased:
        return PersonShown(row.subject, PersonState.ERASED)
    if master is None:
        return PersonShown(row.subject, PersonState.SEALED)
    key = master.unwrap(row.wrapped, key_purpose(application_id, row.subject))
    return PersonShown(row.subject, PersonState.OPENED, key)


def _subject(row: WrappedKey) -> str:
    return row.subject


class Showing:
    """Opens sealed values as far as they are shown: what the codec needs of a keyring."""

    def __init__(self, application_id: UUID, persons: Sequence[PersonShown]) -> None:
        self._persons: Mapping[str, PersonState] = {one.subject: one.state for one in persons}
        ciphers = {one.subject: AESGCM(one.key) for one in persons if one.key is not None}
        self._keyring = Keyring(application_id, secrets.token_bytes, ciphers)

    def seal(self, subject: str, place: str, value: bytes) -> str:
        """Never called: evidence is read."""
        raise SealBroken(f"{place} of {subject} is not sealed here ({len(value)} bytes)")

    def unseal(self, subject: str, place: str, sealed: str) -> bytes | Erased:
        """The value, or why it is not shown. Raises SealBroken."""
        match self._persons.get(subject):
            case PersonState.OPENED:
                opened = self._keyring.unseal(subject, place, sealed)
                return ERASED if opened is None else opened
            case PersonState.ERASED:
                return ERASED
            case PersonState.SEALED:
                return Erased.WITHHELD
            case None:
                raise SealBroken(f"the key of {subject} is missing")

    def opened(self, event: StoredEvent) -> Iterator[OpenedValue]:
        """The personal values of an event that are shown, or shown to be erased. Those that do not
        open are left out: whoever checks finds that.
        """
        for one in sealed_in(event.data, event.event_type):
            try:
                found = self.unseal(one.subject, one.place, one.sealed)
            except SealBroken:
                continue
            erased = isinstance(found, Erased)
            value = None if isinstance(found, Erased) else parse_json(found)
            yield OpenedValue(event.position, one.pointer, one.subject, value, erased)
