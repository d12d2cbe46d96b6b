"""The rules of a policy by the names that decisions cite them by, and what each looks at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lending.policy.catalogue import is_document
from lending.policy.document import read
from lending.policy.expressions import names
from lending.policy.graph import Node, NodeKind, graph_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a table, or statement of a switch: its node, its conditions as they are written
    (none where it takes whatever those before it left), and the names that it looks at.
    """

    node: str
    conditions: tuple[str, ...]
    looks_at: tuple[str, ...]


def rules_of(definition: str, others: Mapping[str, str], within: str = "") -> dict[str, Rule]:
    """Every rule as `NODE/RULE`; of the policies that it is built on as `NODE>NODE/RULE`."""
    if not is_document(definition):
        return {}
    raw = {node["id"]: node.get("content") for node in read(definition).graph["nodes"]}
    found: dict[str, Rule] = {}
    for node in graph_of(definition).nodes.values():
        name = within + node.name
        if node.kind is NodeKind.TABLE:
            found |= _of_table(name, node, raw[node.id])
        elif node.kind is NodeKind.SWITCH:
            found |= _of_switch(name, raw[node.id])
        elif node.nested is not None and node.nested in others:
            found |= rules_of(others[node.nested], others, f"{name}>")
    return found


def made_of(definition: str, others: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The facts that each name of a policy is made of: a fact of itself, what a node makes of all
    that the node looks at.
    """
    if not is_document(definition):
        return {}
    found = {name: frozenset({name}) for name in read(definition).facts}
    for node in graph_of(definition).nodes.values():
        looked_at = {name for cell in node.cells for name in names(cell.text)}
        if node.nested is not None and node.nested in others:
            looked_at |= set(read(others[node.nested]).facts)
        facts = frozenset[str]().union(*(found.get(name, frozenset()) for name in looked_at))
        for name in node.makes:
            found[name] = found.get(name, frozenset()) | facts
    return found


def made_beside(definition: str) -> dict[str, tuple[str, ...]]:
    """The other names that are computed where a name is, in the expressions of one node."""
    if not is_document(definition):
        return {}
    return {
        name: tuple(sorted(node.makes - {name}))
        for node in graph_of(definition).nodes.values()
        if node.kind is NodeKind.EXPRESSION
        for name in node.makes
    }


def _of_table(name: str, node: Node, content: Mapping[str, Any]) -> dict[str, Rule]:
    """A rule of a table depends on every column: those before it did not hold."""
    inputs = content["inputs"]
    columns = [column.get("field") or "" for column in inputs]
    found = {}
    for label, row in zip(node.labels, node.rows, strict=True):
        cells = [row.get(column["id"]) or "" for column in inputs]
        conditions = [
            f"{field}: {cell}" if field else cell
            for field, cell in zip(columns, cells, strict=True)
            if cell
        ]
        found[f"{name}/{label}"] = Rule(
            node=name, conditions=tuple(conditions), looks_at=_names([*columns, *cells])
        )
    return found


def _of_switch(name: str, content: Mapping[str, Any]) -> dict[str, Rule]:
    found = {}
    conditions = [statement.get("condition") or "" for statement in content["statements"]]
    for statement, condition in zip(content["statements"], conditions, strict=True):
        found[f"{name}/{statement['id']}"] = Rule(
            node=name,
            conditions=(condition,) if condition else (),
            looks_at=_names(conditions),
        )
    return found


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in names(text)))
