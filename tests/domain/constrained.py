"""Values of the domain's constrained types: whatever a body that fits its schema can say."""

from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import strategies as st

from lending.domain.fields import Digits, Pattern


def built(kind: type[Any], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances of a dataclass; a field that is not given has its default half of the time."""
    hints = get_type_hints(kind, include_extras=True)
    parts = {}
    for field in fields(kind):
        made = given.get(field.name, constrained(hints[field.name]))
        parts[field.name] = (
            made
            if field.default is MISSING or field.name in given
            else st.just(field.default) | made
        )
    return st.builds(kind, **parts)


def constrained(hint: Any, *marks: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, within its bounds."""
    if get_origin(hint) is Annotated:
        inner, *more = get_args(hint)
        return constrained(inner, *more, *marks)
    if get_origin(hint) in (Union, UnionType):
        (arm,) = (arm for arm in get_args(hint) if arm is not NoneType)
        return st.none() | constrained(arm, *marks)
    by_kind = {type(mark): mark for mark in marks}
    if get_origin(hint) is tuple:
        least = by_kind[MinLen].min_length if MinLen in by_kind else 0
        most = min(by_kind[MaxLen].max_length, max(least, 4))
        items = constrained(get_args(hint)[0])
        return st.lists(items, min_size=least, max_size=most).map(tuple)
    if is_dataclass(hint) and isinstance(hint, type):
        return built(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if hint is Decimal:
        return _decimals(by_kind[Digits], positive=Ge in by_kind)
    if hint is int:
        return st.integers(by_kind[Ge].ge, by_kind[Le].le)
    return st.from_regex(by_kind[Pattern].regex.replace("$", r"\Z")).filter(
        lambda text: len(text) <= by_kind[MaxLen].max_length
    )


def _decimals(digits: Digits, *, positive: bool) -> st.SearchStrategy[Decimal]:
    bound = 10 ** (digits.whole + digits.fraction) - 1
    whole = st.integers(0 if positive else -9_999, 9_999).map(Decimal)
    any_number = st.integers(0 if positive else -bound, bound)
    return whole | any_number.map(lambda number: Decimal(number).scaleb(-digits.fraction))
