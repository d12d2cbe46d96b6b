"""From the domain's constrained types to types that pydantic validates and describes.

What is translated is the vocabulary of lending.domain.fields: nothing is coerced but exact decimal
numbers out of JSON numbers and decimal strings, and ISO dates and UUIDs out of strings.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from decimal import MAX_PREC, Context, Decimal
from enum import Enum
from inspect import getdoc
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from lending.domain.fields import Digits, Example, Pattern, Personal
from lending.domain.meanings import FIELDS

_MARKS: Final = (Digits, Pattern, Ge, Le, MinLen, MaxLen, Example)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_ALL_DIGITS: Final = Context(prec=MAX_PREC, traps=[])
_BIG: Final = 19

Marks = Mapping[type[Any], Any]


def accepted_type(hint: Any) -> Any:
    """The type pydantic validates for a field declared as `hint`.

    Raises TypeError for a type outside the vocabulary: it is made when the application starts.
    """
    base, marks = _unwrapped(hint)
    extra: dict[str, Any] = {}
    if Personal in marks:
        extra["x-personal"] = True
    if Example in marks:
        extra["examples"] = [marks[Example].value]
    arms = [arm for arm in get_args(base) if arm is not type(None)]
    if get_origin(base) in (Union, UnionType):
        (arm,) = arms
        marks = {**_unwrapped(arm)[1], **marks}
        accepted = _accepted(_unwrapped(arm)[0], marks) | None
    else:
        accepted = _accepted(base, marks)
    return Annotated[accepted, Field(json_schema_extra=extra)] if extra else accepted


def typed_dict(kind: type[Any], leave_out: frozenset[str] = frozenset()) -> type[Any]:
    """A TypedDict of the fields of the dataclass `kind`: what is sent is what is in the dict."""
    hints = get_type_hints(kind, include_extras=True)
    meanings = FIELDS.get(kind, {})
    members: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in leave_out:
            continue
        accepted = accepted_type(hints[field.name])
        if field.name in meanings:
            accepted = Annotated[accepted, Field(description=meanings[field.name])]
        if field.default is MISSING:
            members[field.name] = Required[accepted]
            continue
        if field.default is not None:
            written = {"default": _written(field.default)}
            accepted = Annotated[accepted, Field(json_schema_extra=written)]
        members[field.name] = NotRequired[accepted]
    # Called as a function of unknown type: its fields are not known before.
    make: Any = TypedDict
    made = make(kind.__name__, members)
    made.__doc__ = getdoc(kind)
    made.__pydantic_config__ = ConfigDict(
        extra="forbid",
        json_schema_extra=_without_titles,
        regex_engine="rust-regex",
    )
    return cast(type[Any], made)


def _unwrapped(hint: Any) -> tuple[Any, dict[type[Any], Any]]:
    if get_origin(hint) is not Annotated:
        return hint, {}
    base, *marks = get_args(hint)
    return base, {type(mark): mark for mark in marks}


def _accepted(base: Any, marks: Marks) -> Any:
    if base is Decimal:
        return _decimal(marks)
    if base is int:
        return _integer(marks)
    if base is str:
        return _text(marks)
    if base is bool:
        return Annotated[bool, Field(strict=True)]
    if base is object:
        return Annotated[Any, WithJsonSchema({"description": "Any JSON; the service judges it."})]
    if base is date:
        return Annotated[date, PlainValidator(_to_date), WithJsonSchema(_DATE_SCHEMA)]
    if base is UUID:
        return Annotated[UUID, PlainValidator(to_uuid), WithJsonSchema(_UUID_SCHEMA)]
    if get_origin(base) is tuple:
        item, _ = get_args(base)
        items: Any = tuple.__class_getitem__((accepted_type(item), ...))
        return Annotated[items, _lengths(marks)]
    if isinstance(base, type) and issubclass(base, Enum):
        return base
    if get_origin(base) is not None and issubclass(get_origin(base), Mapping):
        name, value = get_args(base)
        accepted: Any = dict.__class_getitem__((accepted_type(name), accepted_type(value)))
        patterned = Pattern in _unwrapped(name)[1]  # pydantic's schema would let other names pass
        closed = Field(json_schema_extra={"additionalProperties": False} if patterned else None)
        return Annotated[accepted, _lengths(marks), closed]
    if is_dataclass(base):
        make: Any = base
        return Annotated[typed_dict(make), AfterValidator(lambda given: make(**given))]
    raise TypeError(f"a field cannot be a {base}")


def _lengths(marks: Marks) -> Any:
    shortest = marks[MinLen].min_length if MinLen in marks else None
    longest = marks[MaxLen].max_length if MaxLen in marks else None
    return Field(min_length=shortest, max_length=longest)


def _text(marks: Marks) -> Any:
    return Annotated[
        str,
        StringConstraints(
            strict=True,
            min_length=marks[MinLen].min_length if MinLen in marks else None,
            max_length=marks[MaxLen].max_length if MaxLen in marks else None,
            pattern=marks[Pattern].regex if Pattern in marks else None,
        ),
        # U+0000 is refused with the JSON itself; whoever makes values of the schema must know.
        Field(json_schema_extra=None if Pattern in marks else {"pattern": r"^[^\x00]*$"}),
    ]


def _integer(marks: Marks) -> Any:
    bounds = Field(
        strict=True,
        ge=marks[Ge].ge if Ge in marks else None,
        le=marks[Le].le if Le in marks else None,
    )
    return Annotated[int, bounds, BeforeValidator(_whole)]


def _whole(value: Any) -> Any:
    """36.0 and 3.6e1 are integers too (JSON Schema, validation, 6.1.1)."""
    if (
        isinstance(value, Decimal)
        and value.adjusted() < _BIG
        and value == value.to_integral_value()
    ):
        return int(value)
    return value


def _decimal(marks: Marks) -> Any:
    digits: Digits = marks[Digits]
    positive = Ge in marks
    return Annotated[
        Decimal,
        PlainValidator(_decimal_reader(digits, positive)),
        WithJsonSchema(_decimal_schema(digits, positive)),
    ]


def _decimal_pattern(digits: Digits, positive: bool) -> str:
    sign = "" if positive else "-?"
    return f"^{sign}(0|[1-9][0-9]{{0,{digits.whole - 1}}})(\\.[0-9]{{1,{digits.fraction}}})?$"


def _decimal_schema(digits: Digits, positive: bool) -> dict[str, Any]:
    bound = 10**digits.whole
    number = {
        "type": "number",
        **({"minimum": 0} if positive else {"exclusiveMinimum": -bound}),
        "exclusiveMaximum": bound,
        "description": f"At most {digits.fraction} decimal places; read exactly.",
    }
    text = {"type": "string", "pattern": _decimal_pattern(digits, positive)}
    return {"anyOf": [text, number]}


def _decimal_reader(digits: Digits, positive: bool) -> Callable[[Any], Decimal]:
    """Reads a JSON number or a decimal string, exactly, within its bounds."""
    spelled = re.compile(_decimal_pattern(digits, positive)[1:-1], re.ASCII)
    finest = Decimal(1).scaleb(-digits.fraction)
    bound = 10**digits.whole

    def read(value: Any) -> Decimal:
        kind = type(value)
        if kind is int:
            number = Decimal(value)
        elif kind is Decimal:
            number = value
        elif kind is str and spelled.fullmatch(value):
            return Decimal(value) or Decimal(0)
        else:
            raise _not_a_decimal(digits, positive)
        if not number:
            return Decimal(0)
        if not -bound < number < bound or (positive and number < 0):
            raise _not_a_decimal(digits, positive)
        if kind is int:
            return number
        exponent = int(number.as_tuple().exponent)  # an infinity never comes out of JSON
        if -digits.fraction <= exponent <= 0:
            return number
        exact = number.quantize(finest if exponent < 0 else Decimal(1), context=_ALL_DIGITS)
        if exact != number:
            raise _not_a_decimal(digits, positive)
        return exact

    return read


def _not_a_decimal(digits: Digits, positive: bool) -> PydanticCustomError:
    return PydanticCustomError(
        "decimal",
        "must be a {kind}number with at most {whole} digits before and {fraction} after the point,"
        " or a string of one",
        {
            "kind": "non-negative " if positive else "",
            "whole": digits.whole,
            "fraction": digits.fraction,
        },
    )


def _to_date(value: Any) -> date:
    if type(value) is str and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("date", "must be a date such as 2026-10-31")


def to_uuid(value: Any) -> UUID:
    """The UUID that is written as five groups of hexadecimal digits. Raises PydanticCustomError."""
    if type(value) is str and _UUID.fullmatch(value):
        return UUID(value)
    raise PydanticCustomError("uuid", "must be a UUID")


_DATE_SCHEMA: Final = {"type": "string", "format": "date"}
_UUID_SCHEMA: Final = {"type": "string", "format": "uuid"}


def _written(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _without_titles(schema: dict[str, Any]) -> None:
    """Leave out the titles pydantic makes of names: they say nothing that the names do not."""
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
