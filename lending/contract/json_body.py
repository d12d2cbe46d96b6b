"""JSON as it is accepted here: I-JSON (RFC 7493) in UTF-8, with numbers kept exactly.

A number with a fraction or an exponent, or of more than 18 digits, is a Decimal; no float is ever
made. Refused are NaN and infinities, repeated names, lone surrogates, U+0000, what is nested deeper
than the interpreter's stack, and what is not JSON at all.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

_INT_DIGITS: Final = 18


class MalformedJson(ValueError):
    """The text is not JSON, or not JSON as it is accepted here; says where, never what."""


def parse(raw: bytes) -> Any:
    """The value of the JSON text `raw`. Raises MalformedJson."""
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            _check_characters(value)
    except JSONDecodeError as fault:
        what = fault.msg.removesuffix(" at")
        raise MalformedJson(f"{what} at line {fault.lineno}, column {fault.colno}") from None
    except UnicodeDecodeError as fault:
        raise MalformedJson(f"not UTF-8 at byte {fault.start}") from None
    except RecursionError:
        raise MalformedJson("nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("a name is repeated in an object")
    return found


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise MalformedJson("a number's exponent is out of all bounds") from None


def _constant(name: str) -> None:
    raise MalformedJson(f"{name} is not a JSON number")


# A decoder holds no state between calls.
_DECODER: Final = JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)


def _check_characters(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedJson("U+0000 cannot be stored")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedJson("a surrogate stands alone") from None
    elif isinstance(value, dict):
        _check_all(list(value))
        _check_all(list(value.values()))
    elif isinstance(value, list):
        _check_all(value)


def _check_all(values: Sequence[Any]) -> None:
    for value in values:
        _check_characters(value)
