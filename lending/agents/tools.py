"""What a tool is: how it is described to a model, and what calls it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import mcp_types as types

from lending.agents.caller import Caller
from lending.agents.schemas import Schema
from lending.contract.bodies import InvalidBody

Arguments = Mapping[str, Any]
Call = Callable[[Arguments, Caller], Awaitable[types.CallToolResult]]

READS: Final = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
"""It changes nothing."""

ADDS: Final = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
"""It adds to the record; with the same key it does so once."""

TAKES: Final = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
"""It takes something for a while that is no part of the record; again, it takes more."""

BINDS: Final = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
"""It decides, pays or ends: it cannot be taken back. With the same key it does so once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: its name, what a model is told of it, what it takes, and what calls it."""

    name: str
    title: str
    description: str
    annotations: types.ToolAnnotations
    schema: Schema
    call: Call

    def described(self) -> types.Tool:
        """The tool as `tools/list` shows it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.schema,
            annotations=self.annotations,
        )


_FRACTION: Final = (
    'came as a binary fraction, which is not exact: send an integer, or a string such as "12000.50"'
)


def check(arguments: Arguments) -> None:
    """Refuse what JSON parsers let through and a ledger must not: numbers that went through binary
    fractions, U+0000, lone surrogates. Raises InvalidBody.
    """
    try:
        found = _faults(arguments, "")
    except RecursionError:
        found = [("", "is nested too deeply")]
    if found:
        raise InvalidBody([{"pointer": at, "message": message} for at, message in found])


def _faults(value: Any, at: str) -> list[tuple[str, str]]:
    if isinstance(value, float):
        return [(at, _FRACTION)]
    if isinstance(value, str):
        return _character_faults(value, at)
    if isinstance(value, Mapping):
        return [
            fault
            for name, item in value.items()
            for fault in (
                *_character_faults(name, at),
                *_faults(item, f"{at}/{_pointed(name)}"),
            )
        ]
    if isinstance(value, list):
        return [fault for i, item in enumerate(value) for fault in _faults(item, f"{at}/{i}")]
    return []


def _pointed(name: str) -> str:
    shown = name[:64].encode("ascii", "replace").decode()
    return shown.replace("~", "~0").replace("/", "~1")


def _character_faults(text: str, at: str) -> list[tuple[str, str]]:
    if "\x00" in text:
        return [(at, "U+0000 cannot be stored")]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return [(at, "a surrogate stands alone")]
    return []
