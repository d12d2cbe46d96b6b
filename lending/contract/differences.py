"""What differs between two JSON values: member by member, and down to single fields. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def differing_members(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The members of `after` that are not so in `before`, whole."""
    return [
        {"member": name, "before": before.get(name), "after": value}
        for name, value in after.items()
        if before.get(name) != value
    ]


def differing_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same down to single fields, each by its JSON pointer (RFC 6901). What is missing is null."""
    return [
        {"pointer": pointer, "before": was, "after": now}
        for one in differing_members(before, after)
        for pointer, was, now in _fields(f"/{_escaped(one['member'])}", one["before"], one["after"])
    ]


def _fields(pointer: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where one of them lacks a part, or has it otherwise made, that part is told whole."""
    if before == after:
        return
    if _is_object(before) and _is_object(after):
        for name in {**before, **after}:
            yield from _fields(f"{pointer}/{_escaped(name)}", before.get(name), after.get(name))
    elif _is_table(before) and _is_table(after):
        for index in range(max(len(before), len(after))):
            yield from _fields(f"{pointer}/{index}", _item(before, index), _item(after, index))
    else:
        yield pointer, before, after


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() != {"erased"}


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_object, value))


def _item(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
