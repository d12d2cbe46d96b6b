"""The graph of a policy (JDM, as the engine's editor makes it), read: nodes in order, and what is
wrong with it.

Nodes have one order, whatever the engine works in: by how far they are from the input, then by id.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from lending.policy import limits
from lending.policy.document import canonical_text, pointer, read
from lending.policy.faults import Fault, FaultKind


class NodeKind(StrEnum):
    """The kinds of node that a policy may have."""

    INPUT = "inputNode"
    OUTPUT = "outputNode"
    TABLE = "decisionTableNode"
    EXPRESSION = "expressionNode"
    SWITCH = "switchNode"
    DECISION = "decisionNode"


ANSWER: Final = ("outcome", "reasons", "amount_minor", "term_months")
"""What a policy answers with; no other field is taken."""

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\[\])?", re.ASCII)
_NAME_MAX_CHARACTERS: Final = 100
_HIT_POLICIES: Final = ("first", "collect")
_READ_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Cell:
    """One expression, and where it stands. `test` tells a condition on a column's field, which may
    begin with a comparison, from a whole expression.
    """

    text: str
    place: str
    test: bool = False


@dataclass(slots=True, kw_only=True)
class Node:
    """One node: its expressions, the names it makes, and the labels of its rules in their order."""

    id: str
    name: str
    kind: NodeKind
    place: str
    cells: list[Cell] = field(default_factory=list)
    makes: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    nested: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a policy in their order, by id, and what is wrong with it."""

    nodes: Mapping[str, Node]
    faults: Sequence[Fault]

    @property
    def nested(self) -> list[str]:
        """The policies that it is built on, as name@version."""
        return [node.nested for node in self.nodes.values() if node.nested is not None]

    @property
    def makes(self) -> set[str]:
        """Every name that one of its nodes makes."""
        return {name for node in self.nodes.values() for name in node.makes}


@lru_cache(_READ_ONCE)
def graph_of(definition: str) -> Graph:
    """The graph of a published definition."""
    return read_graph(read(definition).graph)


@lru_cache(_READ_ONCE)
def engine_text(definition: str) -> str:
    """The graph of a definition as the engine takes it."""
    return canonical_text(read(definition).graph)


def read_graph(given: Mapping[str, Any]) -> Graph:
    """A graph that may be anything at all; its faults come in no order of kinds."""
    reading = _Reading()
    nodes, edges = given.get("nodes"), given.get("edges")
    if not isinstance(nodes, list) or not isinstance(edges, list):
        return Graph({}, [Fault(FaultKind.NODE_MALFORMED, "/graph", "nodes and edges are needed")])
    if len(nodes) > limits.POLICY_NODES_MAX or len(edges) > 2 * limits.POLICY_NODES_MAX:
        return Graph({}, [Fault(FaultKind.TOO_MANY_NODES, "/graph")])
    for number, node in enumerate(nodes):
        reading.node(node, pointer("/graph/nodes", number))
    found = reading.nodes
    rules = sum(max(len(one.labels), len(one.makes)) for one in found.values())
    if rules > limits.POLICY_RULES_MAX:
        reading.say(FaultKind.TOO_MANY_RULES, "/graph")
    for kind, fault in (
        (NodeKind.INPUT, FaultKind.NOT_ONE_INPUT),
        (NodeKind.OUTPUT, FaultKind.NOT_ONE_OUTPUT),
    ):
        if sum(one.kind is kind for one in found.values()) != 1:
            reading.say(fault, "/graph/nodes")
    order = reading.order(edges)
    return Graph({name: found[name] for name in order}, reading.faults)


class _Reading:
    """What has been read of a graph so far."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.faults: list[Fault] = []

    def say(self, kind: FaultKind, place: str, detail: str = "") -> None:
        self.faults.append(Fault(kind, place, detail))

    def node(self, given: Any, place: str) -> None:
        known = isinstance(given, dict) and given.get("type") in tuple(NodeKind)
        if not known:
            kind = given.get("type") if isinstance(given, dict) else None
            self.say(FaultKind.NODE_REFUSED, place, str(kind)[:_NAME_MAX_CHARACTERS])
            return
        id_, name = given.get("id"), given.get("name")
        if not (_is_name(id_) and _is_name(name)):
            self.say(FaultKind.NODE_MALFORMED, place, "a node needs an id and a name")
            return
        if id_ in self.nodes or any(one.name == name for one in self.nodes.values()):
            self.say(FaultKind.NAME_REPEATED, place, name)
            return
        node = Node(id=id_, name=name, kind=NodeKind(given["type"]), place=place)
        self.nodes[id_] = node
        self._content(node, given.get("content"))

    def _content(self, node: Node, content: Any) -> None:
        place = pointer(node.place, "content")
        if node.kind in (NodeKind.INPUT, NodeKind.OUTPUT):
            if isinstance(content, dict) and content.get("schema"):
                self.say(FaultKind.NODE_MALFORMED, pointer(place, "schema"), "is not allowed")
            return
        if not isinstance(content, dict):
            self.say(FaultKind.NODE_MALFORMED, place, "a content is needed")
            return
        for name in ("inputField", "outputPath"):
            if content.get(name) not in (None, ""):
                self.say(FaultKind.NODE_MALFORMED, pointer(place, name), "is not allowed")
        if content.get("executionMode", "single") != "single":
            self.say(FaultKind.NODE_MALFORMED, pointer(place, "executionMode"), "must be single")
        match node.kind:
            case NodeKind.EXPRESSION:
                self._expressions(node, content, place)
            case NodeKind.SWITCH:
                self._switch(node, content, place)
            case NodeKind.DECISION:
                self._decision(node, content, place)
            case _:
                self._table(node, content, place)

    def _items(
        self, content: Mapping[str, Any], name: str, place: str
    ) -> Iterator[tuple[Any, str]]:
        """The objects of a list of a node, each with its place."""
        items = content.get(name)
        if not isinstance(items, list):
            self.say(FaultKind.NODE_MALFORMED, pointer(place, name), "must be a list")
            return
        for number, item in enumerate(items[: limits.POLICY_RULES_MAX + 1]):
            there = pointer(pointer(place, name), number)
            if isinstance(item, dict):
                yield item, there
            else:
                self.say(FaultKind.NODE_MALFORMED, there, "must be an object")

    def _cell(self, node: Node, text: Any, place: str, *, test: bool = False) -> None:
        if text is None or text == "":
            return
        if not isinstance(text, str):
            self.say(FaultKind.NODE_MALFORMED, place, "must be the text of an expression")
            return
        node.cells.append(Cell(text, place, test))

    def _label(self, node: Node, label: Any, place: str) -> None:
        if not _is_name(label):
            self.say(FaultKind.NODE_MALFORMED, place, "a rule needs an id")
            label = ""
        elif label in node.labels:
            self.say(FaultKind.NAME_REPEATED, place, label)
        node.labels.append(label)

    def _expressions(self, node: Node, content: Mapping[str, Any], place: str) -> None:
        for item, there in self._items(content, "expressions", place):
            key = item.get("key")
            if not isinstance(key, str) or _KEY.fullmatch(key) is None:
                self.say(FaultKind.NODE_MALFORMED, pointer(there, "key"), "must be a plain name")
            elif key in node.makes:
                self.say(FaultKind.NAME_REPEATED, pointer(there, "key"), key)
            else:
                node.makes.add(key)
            if not item.get("value"):
                self.say(FaultKind.NODE_MALFORMED, pointer(there, "value"), "is needed")
            self._cell(node, item.get("value"), pointer(there, "value"))

    def _switch(self, node: Node, content: Mapping[str, Any], place: str) -> None:
        if content.get("hitPolicy", "first") not in _HIT_POLICIES:
            self.say(FaultKind.NODE_MALFORMED, pointer(place, "hitPolicy"))
        for item, there in self._items(content, "statements", place):
            self._label(node, item.get("id"), there)
            self._cell(node, item.get("condition"), pointer(there, "condition"))

    def _decision(self, node: Node, content: Mapping[str, Any], place: str) -> None:
        key = content.get("key")
        if not isinstance(key, str) or not key:
            self.say(FaultKind.NODE_MALFORMED, pointer(place, "key"), "must be name@version")
            return
        node.nested = key
        node.makes.update(ANSWER)

    def _table(self, node: Node, content: Mapping[str, Any], place: str) -> None:
        if content.get("hitPolicy", "first") not in _HIT_POLICIES:
            self.say(FaultKind.NODE_MALFORMED, pointer(place, "hitPolicy"))
        tested: dict[str, bool] = {}
        for item, there in self._items(content, "inputs", place):
            tested[self._column(item, there, tested)] = bool(item.get("field"))
            self._cell(node, item.get("field"), pointer(there, "field"))
        for item, there in self._items(content, "outputs", place):
            made = item.get("field")
            if not isinstance(made, str) or _COLUMN.fullmatch(made) is None:
                self.say(FaultKind.NODE_MALFORMED, pointer(there, "field"), "must be a plain name")
                continue
            node.columns[self._column(item, there, {**tested, **node.columns})] = made
            node.makes.add(made.removesuffix("[]"))
        for item, there in self._items(content, "rules", place):
            self._label(node, item.get("_description") or item.get("_id"), there)
            node.rows.append(item)
            for column in (*tested, *node.columns):
                test = tested.get(column, False)
                self._cell(node, item.get(column), pointer(there, column), test=test)

    def _column(self, item: Mapping[str, Any], place: str, others: Mapping[str, object]) -> str:
        column = item.get("id")
        if not _is_name(column) or column in others:
            self.say(FaultKind.NODE_MALFORMED, place, "a column needs an id of its own")
            return ""
        return str(column)

    def order(self, edges: list[Any]) -> list[str]:
        """The ids of the nodes in their order; what lies on a circle comes last, and is a fault."""
        before: dict[str, set[Any]] = {name: set() for name in self.nodes}
        for number, edge in enumerate(edges):
            given = edge if isinstance(edge, dict) else {}
            source, target = given.get("sourceId"), given.get("targetId")
            known = isinstance(source, str) and source in before
            if known and isinstance(target, str) and target in before:
                before[target].add(source)
            else:
                self.say(FaultKind.EDGE_MALFORMED, pointer("/graph/edges", number))
        order: list[str] = []
        while left := sorted(before.keys() - set(order)):
            ready = [name for name in left if before[name] <= set(order)]
            if not ready:
                self.say(FaultKind.CYCLIC, "/graph/edges", ", ".join(left)[:_NAME_MAX_CHARACTERS])
                return order + left
            order += ready
        return order


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_MAX_CHARACTERS
