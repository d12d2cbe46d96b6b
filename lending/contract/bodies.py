"""The bodies of requests: from a dataclass a reader and a JSON schema.

No class is written a second time: what a request says is a frozen dataclass with the constrained
types of lending.domain.fields, a command of the domain's or another way in's own, and fields, bounds
and examples are read from it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date
from enum import Enum
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from lending.contract.json_body import parse
from lending.contract.schema_types import accepted_type, typed_dict
from lending.domain.fields import Example

Said = TypeVar("Said")
"""The dataclass that a body says a value of."""

SCHEMA_REFERENCE: Final = "#/components/schemas/{model}"
POINTER_MAX_CHARACTERS: Final = 200
ERRORS_SHOWN_MAX: Final = 20
"""Faulty fields that are named of one body."""

_WHOLE: Final = re.compile("0|[1-9][0-9]{0,9}", re.ASCII)
"""A whole number as a path says it: in one way only."""

_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "dict_type": "must be an object",
    "tuple_type": "must be an array",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "enum": "must be one of {expected}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
}


class InvalidBody(ValueError):
    """A body or a field of the path is not what is taken. `errors` say where and why."""

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("; ".join(error["message"] for error in errors))
        self.errors = errors


class Read(NamedTuple, Generic[Said]):
    """What was said, and the names of the body's fields that were sent."""

    said: Said
    sent: Sequence[str]


class Body(Generic[Said]):
    """Reads the body of one kind of request; fields named in `in_path` come from the path instead."""

    def __init__(
        self, kind: type[Said], in_path: Sequence[str] = (), shown: Sequence[str] = ()
    ) -> None:
        """`shown` are the optional fields that the example has besides the required ones."""
        hints = get_type_hints(kind, include_extras=True)
        self._make = kind
        self.model = kind.__name__
        """The name of its component schema."""
        self.adapter: TypeAdapter[Any] = TypeAdapter(typed_dict(kind, frozenset(in_path)))
        self.path_types: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(accepted_type(hints[name])) for name in in_path
        }
        self._whole = frozenset(name for name in in_path if get_args(hints[name])[:1] == (int,))
        of_kind: Any = kind  # a dataclass, which no bound of a type variable can say
        in_body = [field for field in fields(of_kind) if field.name not in in_path]
        self.required = any(field.default is MISSING for field in in_body)
        self.takes_anything = bool(in_body)
        self._known = frozenset(field.name for field in in_body)
        self._validate = self.adapter.validator.validate_python
        self.example = {
            field.name: example
            for field in in_body
            if (example := _example(hints[field.name])) is not None
            and (field.default is MISSING or field.name in shown)
        }

    def read(self, raw: bytes, path: Mapping[str, str]) -> Read[Said]:
        """What a body says, none being nothing; `path` holds text. Raises MalformedJson, InvalidBody."""
        in_path = self._from_text(path) if self._whole else path
        if raw:
            return self.take(parse(raw), in_path)
        if self.required:
            raise InvalidBody([{"pointer": "", "message": "a body is required"}])
        return Read(self._make(**self._path_values(in_path)), ())

    def take(self, given: Any, in_path: Mapping[str, str | int]) -> Read[Said]:
        """What a body, parsed already, says. Raises InvalidBody."""
        values = self._path_values(in_path) if self.path_types else {}
        try:
            sent: dict[str, Any] = self._validate(given)
        except ValidationError as fault:
            raise InvalidBody(self._errors(given, fault)) from None
        return Read(self._make(**sent, **values), tuple(sent))

    def _from_text(self, path: Mapping[str, str]) -> dict[str, str | int]:
        """What a path says, whole numbers where they are wanted."""
        return {
            name: int(text) if name in self._whole and _WHOLE.fullmatch(text) else text
            for name, text in path.items()
        }

    def _path_values(self, in_path: Mapping[str, str | int]) -> dict[str, Any]:
        values = {}
        for name, accepted in self.path_types.items():
            try:
                values[name] = accepted.validate_python(in_path[name])
            except ValidationError as fault:
                message = _message(fault.errors(include_url=False, include_input=False)[0])
                raise InvalidBody([{"parameter": name, "message": message}]) from None
        return values

    def _errors(self, given: Any, fault: ValidationError) -> list[dict[str, str]]:
        if fault.error_count() > ERRORS_SHOWN_MAX and isinstance(given, dict):
            unknown = [name for name in given if name not in self._known]
            if len(unknown) > ERRORS_SHOWN_MAX:
                return [
                    {"pointer": _pointer((name,)), "message": _MESSAGES["extra_forbidden"]}
                    for name in unknown[:ERRORS_SHOWN_MAX]
                ]
        return [
            {"pointer": _pointer(error["loc"]), "message": _message(error)}
            for error in fault.errors(include_url=False, include_input=False)
        ]


def _example(hint: Any) -> Any:
    """The example a field is marked with, else one of its type, else None."""
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Example)]
    if marks:
        return marks[-1].value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint)).value
    if hint is date:
        return "2026-10-31"
    arms = (arm for arm in get_args(hint) if arm is not type(None))
    return next((found for arm in arms if (found := _example(arm)) is not None), None)


def schemas(bodies: Mapping[str, Body[Any]]) -> dict[str, Any]:
    """The component schemas of all bodies, by name."""
    inputs = [(key, "validation", body.adapter) for key, body in bodies.items()]
    _, components = TypeAdapter.json_schemas(
        inputs,  # type: ignore[arg-type]  # a list of tuples of literals
        ref_template=SCHEMA_REFERENCE,
    )
    found: dict[str, Any] = components.get("$defs", {})
    return found


def _pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901), cut where it would be too long."""
    parts = [str(part) for part in location if part != "[key]"]
    text = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
    return text[:POINTER_MAX_CHARACTERS]


def _message(error: Any) -> str:
    written: str | None = _MESSAGES.get(error["type"])
    return error["msg"] if written is None else written.format_map(error.get("ctx", {}))
