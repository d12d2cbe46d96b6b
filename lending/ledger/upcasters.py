"""Older shapes of stored events, brought up to date: pure functions from version n to n+1 of an
event's data.

A release reads a new version before a later one writes it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from lending.ledger.canonical import JsonValue

Upcaster = Callable[[JsonValue], JsonValue]


def _as_it_is(data: JsonValue) -> JsonValue:
    """The next version has only more fields, which are optional."""
    return data


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = MappingProxyType(
    {
        ("offered", 1): _as_it_is,
        ("disbursed", 1): _as_it_is,
        ("decided", 1): _as_it_is,
        ("decided", 2): _as_it_is,
        ("policy_activated", 1): _as_it_is,
    }
)
"""By stored name and the version that is read."""
