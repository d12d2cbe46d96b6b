"""Events to canonical JSON and back, derived from the event dataclasses.

A field that is None is left out. Amounts, rates and scores are decimal strings, dates ISO strings.
Fields marked `Personal` are sealed. What the codec cannot read is a fault, never something to skip.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from operator import attrgetter
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Protocol, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from lending.domain.application.events import EVENTS, Event
from lending.domain.fields import ERASED, Erased, FactValue, Personal
from lending.domain.registry import REGISTRY_EVENTS, RegistryEvent
from lending.ledger.canonical import (
    JsonObject,
    JsonValue,
    NotCanonical,
    canonical_json,
    instant_text,
    parse_instant,
    parse_json,
)
from lending.ledger.sealing import SealBroken
from lending.ledger.upcasters import UPCASTERS, Upcaster

StoredEvent = Event | RegistryEvent
"""Any event that the log can hold."""


class MalformedEvent(Exception):
    """Stored data is not the event it says it is: a fault that stops the reader."""


class UnknownEvent(MalformedEvent):
    """The event's type or version is not known to this release: upgrade before reading on."""


class Seal(Protocol):
    """What the codec needs of a `Keyring`."""

    def seal(self, subject: str, place: str, value: bytes) -> str: ...
    def unseal(self, subject: str, place: str, sealed: str) -> bytes | Erased | None: ...


@dataclass(frozen=True, slots=True)
class _Coder:
    """How one type is written, with whose key where it is personal, and read.

    `read` is how, where nothing in it is personal: a loan's events hold thousands of such values.
    """

    encode: Callable[[Any, Seal, str], Any]
    decode: Callable[[Any, Seal], Any]
    read: Callable[[Any], Any] | None = None


def _open_coder(encode: Callable[[Any, Seal, str], Any], read: Callable[[Any], Any]) -> _Coder:
    """A coder of what holds nothing personal."""
    return _Coder(encode, lambda value, _keyring: read(value), read)


@dataclass(frozen=True, slots=True)
class _EventCoder:
    """How one event is written and read."""

    kind: type[StoredEvent]
    encode: Callable[[Any, Seal, str], Any]
    decode: Callable[[Any, Seal], Any]


class Codec:
    """Encodes and decodes every event type. Made once in a program, immutable afterwards."""

    def __init__(
        self,
        types: tuple[type[StoredEvent], ...] = EVENTS + REGISTRY_EVENTS,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self._coders = {kind.stored_as: _event_coder(kind) for kind in types}
        self._upcasters = upcasters

    def encode(self, event: StoredEvent, keyring: Seal, subject: str) -> JsonObject:
        """The stored data of `event`.

        `subject` is the person whose key seals, unless a field names another. Raises SealBroken
        where a person has no key.
        """
        data: JsonObject = self._coders[event.stored_as].encode(event, keyring, subject)
        return data

    def decode(
        self, event_type: str, schema_version: int, data: JsonValue, keyring: Seal
    ) -> StoredEvent:
        """The event that `encode` wrote, brought up to the current version.

        Raises MalformedEvent, UnknownEvent among them, and SealBroken.
        """
        coder = self._coders.get(event_type)
        if coder is None:
            raise UnknownEvent(f"this release knows no event {event_type}")
        if schema_version != coder.kind.schema_version:
            data = self._upcast(event_type, schema_version, coder.kind.schema_version, data)
        event: StoredEvent = coder.decode(data, keyring)
        return event

    def _upcast(self, event_type: str, version: int, current: int, data: JsonValue) -> JsonValue:
        while version != current:
            upcast = self._upcasters.get((event_type, version))
            if upcast is None:
                raise UnknownEvent(f"this release cannot read {event_type} version {version}")
            data = upcast(data)
            version += 1
        return data


def persons(event: StoredEvent, applicant_id: str) -> list[str]:
    """Whose keys `event` may need: the applicant's, and those of the co-applicants it names."""
    joint = getattr(event, "co_applicants", None)
    if not joint:
        return [applicant_id]
    return [applicant_id, *(person.applicant_id for person in joint)]


class NoKeyring:
    """The keyring of a stream that holds nothing personal: the registry's."""

    def seal(self, subject: str, place: str, value: bytes) -> str:  # noqa: ARG002 as in Seal
        """Never called: a registry event has no personal field."""
        raise TypeError(f"{place} is personal, but the registry has no keys")

    def unseal(self, subject: str, place: str, sealed: str) -> bytes | None:  # noqa: ARG002 as in Seal
        """Never called: a registry event has no personal field."""
        raise TypeError(f"{place} is personal, but the registry has no keys")


# coders of types


def _event_coder(kind: type[StoredEvent]) -> _EventCoder:
    coder = _fields_coder(kind, kind.stored_as)
    return _EventCoder(kind, coder.encode, coder.decode)


def _fields_coder(kind: type[Any], place: str) -> _Coder:
    """The coder of a dataclass: by field, what is None left out."""
    hints = get_type_hints(kind, include_extras=True)
    coders = {f.name: _field_coder(hints[f.name], f"{place}.{f.name}") for f in fields(kind)}
    encoders = [(name, coder.encode) for name, coder in coders.items()]
    decoders = {name: coder.decode for name, coder in coders.items()}
    readers = {name: coder.read for name, coder in coders.items() if coder.read is not None}
    values_of = _all_of(tuple(coders))

    def encode(value: Any, keyring: Seal, subject: str) -> JsonObject:
        out: JsonObject = {}
        for (name, write), item in zip(encoders, values_of(value), strict=True):
            if item is not None:
                out[name] = write(item, keyring, subject)
        return out

    def decode(data: Any, keyring: Seal) -> Any:
        try:
            given = {name: decoders[name](item, keyring) for name, item in data.items()}
            return kind(**given)
        except _MALFORMED as error:
            raise MalformedEvent(f"{place}: {_complaint(kind, data, error)}") from error

    def read(data: Any) -> Any:
        try:
            return kind(**{name: readers[name](item) for name, item in data.items()})
        except _MALFORMED as error:
            raise MalformedEvent(f"{place}: {_complaint(kind, data, error)}") from error

    return _open_coder(encode, read) if len(readers) == len(coders) else _Coder(encode, decode)


_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What reading raises of data that is not what it should be."""


def _all_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names)


def _complaint(kind: type[Any], data: Any, error: Exception) -> str:
    if not isinstance(data, dict):
        return "not an object"
    known = {f.name for f in fields(kind)}
    required = {
        f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING
    }
    missing, unknown = sorted(required - data.keys()), sorted(data.keys() - known)
    return f"missing {missing}, unknown {unknown}" if missing or unknown else str(error)


def _field_coder(hint: Any, place: str) -> _Coder:
    """The coder of a field's type without `None` and `Erased`, sealed where it is personal."""
    personal = False
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        personal = any(isinstance(mark, Personal) for mark in marks)
    if get_origin(hint) in (Union, UnionType):
        (arm,) = (arm for arm in get_args(hint) if arm not in (type(None), Erased))
        coder = _field_coder(arm, place)
    else:
        coder = _type_coder(hint, place)
    return _sealed_coder(coder, place) if personal else coder


def _sealed_coder(inner: _Coder, place: str) -> _Coder:
    write, read = inner.encode, inner.decode

    def encode(value: Any, keyring: Seal, subject: str) -> JsonValue:
        plain = canonical_json(write(value, keyring, subject))
        return {"sealed": keyring.seal(subject, place, plain), "subject": subject}

    def decode(data: Any, keyring: Seal) -> Any:
        if len(data) != 2:
            raise TypeError(f"{place} is not a sealed value")
        plain = keyring.unseal(data["subject"], place, data["sealed"])
        if plain is None or isinstance(plain, Erased):
            return plain or ERASED
        return read(parse_json(plain), keyring)

    return _Coder(encode, decode)


def _type_coder(kind: Any, place: str) -> _Coder:
    origin = get_origin(kind)
    if origin is tuple:
        return _tuple_coder(_field_coder(get_args(kind)[0], place))
    if origin is Mapping:
        of_text = get_args(kind)[1] is str
        return _open_coder(_write_named, _read_texts if of_text else _read_facts)
    if is_dataclass(kind) and isinstance(kind, type):
        return _object_coder(kind, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_coder(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    raise TypeError(f"{place}: no way to store a {kind}")


def _enum_coder(kind: type[Enum]) -> _Coder:
    members = {member.value: member for member in kind}
    return _open_coder(lambda member, _k, _s: member.value, members.__getitem__)


def _tuple_coder(item: _Coder) -> _Coder:
    write, decode_one, read_one = item.encode, item.decode, item.read

    def encode(values: Any, keyring: Seal, subject: str) -> JsonValue:
        return [write(value, keyring, subject) for value in values]

    def decode(values: Any, keyring: Seal) -> tuple[Any, ...]:
        if type(values) is not list:
            raise TypeError("not an array")
        return tuple([decode_one(value, keyring) for value in values])

    if read_one is None:
        return _Coder(encode, decode)
    return _open_coder(encode, partial(_read_tuple, read_one))


def _read_tuple(read_one: Callable[[Any], Any], values: Any) -> tuple[Any, ...]:
    if type(values) is not list:
        raise TypeError("not an array")
    return tuple([read_one(value) for value in values])


def _object_coder(kind: type[Any], place: str) -> _Coder:
    """A nested dataclass. Where its personal fields name a subject field, that person's key seals."""
    coder = _fields_coder(kind, place)
    write, read = coder.encode, coder.decode
    personal = _subject_fields(kind)
    if not personal:
        return coder
    (subject_field,) = set(personal.values())
    subject_of = attrgetter(subject_field)

    def encode(value: Any, keyring: Seal, _subject: str) -> Any:
        return write(value, keyring, subject_of(value))

    def decode(data: Any, keyring: Seal) -> Any:
        value = read(data, keyring)
        for name in personal:
            if name in data and data[name]["subject"] != subject_of(value):
                raise SealBroken(f"{place}.{name} is about somebody else")
        return value

    return _Coder(encode, decode)


def _subject_fields(kind: type[Any]) -> dict[str, str]:
    """The personal fields of `kind` that name whom they are about, and the field that does."""
    return {
        name: mark.subject_field
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, Personal) and mark.subject_field is not None
    }


def _as_it_is(value: Any, _keyring: Seal, _subject: str) -> Any:
    return value


def _read_str(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"not a string but {type(value).__name__}")
    return value


def _read_int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"not an integer but {type(value).__name__}")
    return value


_IS_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch
_REMEMBERED: Final = 4096
"""Decimals and dates that are not read again: a loan's events repeat most of theirs."""


def _write_decimal(value: Decimal, _keyring: Seal, _subject: str) -> str:
    if not value.is_finite():
        raise NotCanonical(f"{value} is not a number")
    return format(value, "f")


@lru_cache(_REMEMBERED)
def _read_decimal(text: str) -> Decimal:
    if _IS_DECIMAL(text) is None:
        raise ValueError("not a decimal number in its canonical form")
    return Decimal(text)


@lru_cache(_REMEMBERED)
def _read_date(value: str) -> date:
    day = date.fromisoformat(value)
    if day.isoformat() != value:
        raise ValueError("not a date in its canonical form")
    return day


def _read_instant(value: Any) -> datetime:
    instant = parse_instant(value)
    if instant.tzinfo is None or instant_text(instant) != value:
        raise ValueError("not an instant in its canonical form")
    return instant


def _read_uuid(value: Any) -> UUID:
    identifier = UUID(value)
    if str(identifier) != value:
        raise ValueError("not a UUID in its canonical form")
    return identifier


def _write_named(values: Mapping[str, FactValue], _keyring: Seal, _subject: str) -> JsonValue:
    return dict(values)


def _read_texts(values: Any) -> Mapping[str, str]:
    return {_read_str(name): _read_str(text) for name, text in values.items()}


def _read_facts(values: Any) -> Mapping[str, FactValue]:
    return {_read_str(name): _read_fact(value) for name, value in values.items()}


def _read_fact(value: Any) -> FactValue:
    if type(value) not in (str, int, bool):
        raise TypeError(f"not a fact but {type(value).__name__}")
    fact: FactValue = value
    return fact


_SCALARS: Final[Mapping[Any, _Coder]] = MappingProxyType(
    {
        str: _open_coder(_as_it_is, _read_str),
        int: _open_coder(_as_it_is, _read_int),
        Decimal: _open_coder(_write_decimal, _read_decimal),
        date: _open_coder(lambda value, _k, _s: value.isoformat(), _read_date),
        datetime: _open_coder(lambda value, _k, _s: instant_text(value), _read_instant),
        UUID: _open_coder(lambda value, _k, _s: str(value), _read_uuid),
    }
)
