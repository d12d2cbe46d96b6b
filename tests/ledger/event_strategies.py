"""Events of any kind, generated from the fields of their dataclasses."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st

from lending.domain.fields import Erased

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
DECIMALS = st.decimals(
    min_value=-(10**15), max_value=10**15, places=None, allow_nan=False, allow_infinity=False
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; nothing erased, for that is never written."""
    if get_origin(hint) is Annotated:
        return values(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([values(arm) for arm in get_args(hint) if arm is not Erased])
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(TEXT, TEXT, max_size=3)
    if is_dataclass(hint) and isinstance(hint, type):
        return instances(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    return {
        str: TEXT,
        int: st.integers(-(2**63), 2**63 - 1),
        Decimal: DECIMALS,
        date: st.dates(),
        datetime: st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 the strategy adds the zone
        UUID: st.uuids(),
        type(None): st.none(),
    }[hint]


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of a dataclass, every field anything that its type allows."""
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})
