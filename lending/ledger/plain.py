"""Values of the domain as JSON in clear: for answers to people, and for the fingerprint of a
request.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from lending.domain.fields import Erased
from lending.ledger.canonical import JsonValue, instant_text


def decimal_text(number: Decimal) -> str:
    """A decimal number with the digits it has."""
    return format(number, "f")


def shortest_text(number: Decimal) -> str:
    """A decimal number without superfluous zeros, so that 12000 and 12000.00 read the same."""
    return format(number.normalize(), "f")


def plain(value: Any, number: Callable[[Decimal], str] = decimal_text) -> JsonValue:
    """`value` as JSON, personal fields in clear, `{"erased": true}` or `{"withheld": true}`; a field
    that is None is left out.
    """
    if isinstance(value, Enum):
        return {value.value: True} if isinstance(value, Erased) else value.value
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, date):
        return instant_text(value) if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item, number) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {k: plain(v, number) for k, v in value._asdict().items() if v is not None}
    if isinstance(value, tuple | list):
        return [plain(item, number) for item in value]
    if isinstance(value, frozenset):
        return sorted(str(plain(item, number)) for item in value)
    if is_dataclass(value):
        kind: Any = type(value)
        given = ((name, getattr(value, name)) for name in field_names(kind))
        return {name: plain(item, number) for name, item in given if item is not None}
    raise TypeError(f"no way to write a {type(value)}")


@cache
def field_names(kind: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields, in order."""
    return tuple(field.name for field in fields(kind))
