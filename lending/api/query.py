"""Query parameters: each is declared once, for reading it and for describing it.

A parameter that is unknown, given twice or malformed is refused: a filter that is silently ignored
would answer another question.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic_core import PydanticCustomError

from lending.api.headers import OF_OUR_TIMES, instant_of
from lending.api.problems import Fault, Problem, invalid_parameter
from lending.contract import positions
from lending.contract.schema_types import to_uuid
from lending.runtime import limits

VERSION_MAX: Final = 2**31 - 1
_PARAMETERS_MAX: Final = 50
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_YEARS: Final = range(1900, 3000)
_OF_OUR_TIMES: Final = {"pattern": "^(19|2[0-9])[0-9]{2}-"}
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: its name, what reads it (ValueError says why not), its schema, its meaning.

    One that is `repeatable` reads a set; given several times, it is all of them.
    """

    name: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    meaning: str
    repeatable: bool = False


class Query:
    """The query parameters of one route."""

    def __init__(self, *parameters: Parameter) -> None:
        self.parameters: Sequence[Parameter] = parameters
        self._by_name = {parameter.name: parameter for parameter in parameters}

    def read(self, raw: bytes) -> dict[str, Any]:
        """The parameters that were given, by name. Raises Problem."""
        values: dict[str, Any] = {}
        for name, text in _pairs(raw):
            parameter = self._by_name.get(name)
            if parameter is None:
                raise invalid_parameter(name[:100], "is not a known query parameter")
            if name in values and not parameter.repeatable:
                raise invalid_parameter(name, "is given twice")
            try:
                value = parameter.read(text)
                values[name] = value | values[name] if name in values else value
            except ValueError as fault:
                raise invalid_parameter(name, str(fault)) from None
        return values


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError:
        raise Problem(Fault.INVALID_REQUEST, "the query string cannot be read") from None


def _bounded(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def number(name: str, least: int, most: int, meaning: str, default: int | None = None) -> Parameter:
    """A whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Parameter(name, _bounded(least, most), schema, meaning)


def text(name: str, meaning: str) -> Parameter:
    """A name or number given by someone else."""

    def read(given: str) -> str:
        if not _NAME.fullmatch(given):
            raise ValueError("must have 1 to 128 characters, none of them a control character")
        return given

    schema = {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": r"^[^\x00-\x1f\x7f]+$",
    }
    return Parameter(name, read, schema, meaning)


def choice(name: str, values: type[StrEnum], meaning: str) -> Parameter:
    """One of an enum."""
    return choice_of(name, [member.value for member in values], meaning)


def choice_of(name: str, known: Sequence[str], meaning: str) -> Parameter:
    """One of a closed list."""

    def read(given: str) -> str:
        if given not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return given

    return Parameter(name, read, {"type": "string", "enum": [*known]}, meaning)


def choices(name: str, values: Sequence[str], meaning: str) -> Parameter:
    """Any of a closed list, separated by commas or given several times."""

    def read(given: str) -> frozenset[str]:
        found = frozenset(given.split(","))
        unknown = found.difference(values)
        if unknown:
            raise ValueError(f"must be one or more of {', '.join(values)}")
        return found

    schema = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(values)}}
    return Parameter(name, read, schema, meaning, repeatable=True)


def day(name: str, meaning: str) -> Parameter:
    """A date."""

    def read(given: str) -> date:
        try:
            found = date.fromisoformat(given) if _DATE.fullmatch(given) else None
        except ValueError:
            found = None
        if found is None or found.year not in _YEARS:
            raise ValueError(f"must be a date from {_YEARS[0]} to {_YEARS[-1]}, such as 2026-10-31")
        return found

    return Parameter(name, read, {"type": "string", "format": "date", **_OF_OUR_TIMES}, meaning)


def instant(name: str, meaning: str) -> Parameter:
    """An instant with its offset."""

    def read(given: str) -> datetime:
        found = instant_of(given)
        if found is None:
            raise ValueError(
                f"must be an instant {OF_OUR_TIMES}, such as 2026-10-31T09:30:00Z (in a URL, + is %2B)"
            )
        return found

    schema = {"type": "string", "format": "date-time", **_OF_OUR_TIMES}
    return Parameter(name, read, schema, meaning)


def place(name: str, meaning: str) -> Parameter:
    """A position of the log."""
    return Parameter(
        name, positions.read_place, {"type": "string", "pattern": positions.PATTERN}, meaning
    )


def identifier(
    name: str, meaning: str, must: str = "must be a cursor that a list gave"
) -> Parameter:
    """A UUID; `must` is what it is refused with."""

    def read(given: str) -> UUID:
        try:
            return to_uuid(given)
        except PydanticCustomError:
            raise ValueError(must) from None

    return Parameter(name, read, {"type": "string", "format": "uuid"}, meaning)


def flag(name: str, meaning: str) -> Parameter:
    """True or false."""

    def read(given: str) -> bool:
        if given not in ("true", "false"):
            raise ValueError("must be true or false")
        return given == "true"

    return Parameter(name, read, {"type": "boolean", "default": False}, meaning)


LIMIT: Final = number(
    "limit", 1, limits.PAGE_MAX_ITEMS, "Items in one answer.", limits.PAGE_DEFAULT_ITEMS
)
