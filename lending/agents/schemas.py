"""From the contract's schemas to the schemas of tools: short, flat, and of one kind for each field.

A model reads every schema each time it is shown the tools, so what does not help it to call them is
left out: titles, references, the second spelling of a number, the null that says the same as nothing.
What the tools accept is what the contract accepts; a schema here only promises less.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lending.contract.bodies import Body

Schema = dict[str, Any]

_LEFT_OUT: Final = frozenset({"title", "description", "examples", "x-personal", "default"})
_DECIMAL: Final = "number"


def tool_schema(
    bodies: Iterable[Body[Any]],
    *,
    described: Mapping[str, str],
    optional: Sequence[str] = (),
) -> Schema:
    """The input schema of a tool that takes the fields of these bodies, in their order.

    `described` says what fields mean. A field that not every command of the tool requires is
    `optional`.
    """
    properties: Schema = {}
    required: list[str] = []
    for body in bodies:
        whole = body.adapter.json_schema()
        definitions = whole.get("$defs", {})
        for name, given in whole.get("properties", {}).items():
            properties[name] = _field(given, definitions, described.get(name))
        required += whole.get("required", ())
    needed = [name for name in dict.fromkeys(required) if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def _field(given: Schema, definitions: Schema, meaning: str | None) -> Schema:
    flat = compact(given, definitions)
    if given.get("default") not in (None, []):
        flat["default"] = given["default"]
    return flat if meaning is None else {**flat, "description": meaning}


def compact(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """`schema` without references and without what only repeats or explains."""
    if isinstance(schema, list):
        return [compact(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return compact(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    arms = schema.get("anyOf")
    if arms is not None:
        (arm,) = [one for one in arms if one.get("type") not in ("null", _DECIMAL)]
        return compact(arm, definitions)
    return {
        name: _members(value, definitions)
        if name in ("properties", "patternProperties")
        else compact(value, definitions)
        for name, value in schema.items()
        if name not in _LEFT_OUT
    }


def _members(members: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The schemas of named fields: their names are kept whatever they are."""
    return {name: compact(value, definitions) for name, value in members.items()}
