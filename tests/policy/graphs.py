"""Graphs of policies for tests, written short."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lending.domain.application.commands import Outcome
from lending.domain.policies import PolicyCase, PublishPolicy

FACTS = ("amount_minor", "currency")
CASE = PolicyCase(facts={"amount_minor": 100, "currency": "USD"}, outcome=Outcome.APPROVED)


def expressions(name: str, **values: Any) -> dict[str, Any]:
    """A node that computes values; with `passing` it hands on what it was given, too."""
    passing = values.pop("passing", False)
    items = [{"id": key, "key": key, "value": value} for key, value in values.items()]
    return {
        "id": name,
        "type": "expressionNode",
        "name": name,
        "content": {"expressions": items, "passThrough": passing},
    }


def table(
    name: str,
    rules: Sequence[Mapping[str, str]],
    *,
    fields: Sequence[str] = ("amount_minor",),
    hits: str = "first",
    outputs: Sequence[str] = ("outcome", "reasons", "offer"),
) -> dict[str, Any]:
    """A decision table; its rules are cells by column, and are named r0, r1, ..."""
    made = {"offer": "amount_minor"}
    return {
        "id": name,
        "type": "decisionTableNode",
        "name": name,
        "content": {
            "hitPolicy": hits,
            "inputs": [{"id": f"if {one}", "name": one, "field": one} for one in fields],
            "outputs": [{"id": one, "name": one, "field": made.get(one, one)} for one in outputs],
            "rules": [{"_id": f"r{n}", **rule} for n, rule in enumerate(rules)],
        },
    }


def switch(name: str, **conditions: str) -> dict[str, Any]:
    """A switch; its statements are named."""
    items = [{"id": key, "condition": text} for key, text in conditions.items()]
    return {
        "id": name,
        "type": "switchNode",
        "name": name,
        "content": {"hitPolicy": "first", "statements": items},
    }


def nested(name: str, key: str) -> dict[str, Any]:
    """A node that asks another policy."""
    return {"id": name, "type": "decisionNode", "name": name, "content": {"key": key}}


def edge(source: str, target: str, handle: str | None = None) -> dict[str, Any]:
    """An edge, out of a statement of a switch where one is named."""
    found = {"id": f"{source}-{target}", "sourceId": source, "targetId": target}
    return found if handle is None else {**found, "sourceHandle": handle}


def graph(
    *nodes: Mapping[str, Any], edges: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """A graph of these nodes one after the other, unless the edges are given."""
    first = {"id": "in", "type": "inputNode", "name": "in"}
    last = {"id": "out", "type": "outputNode", "name": "out"}
    row = ["in", *(str(node["id"]) for node in nodes), "out"]
    chain = [edge(source, target) for source, target in pairwise(row)]
    return {"nodes": [first, *nodes, last], "edges": list(chain if edges is None else edges)}


def policy(
    *nodes: Mapping[str, Any],
    name: str = "p",
    version: str = "1",
    facts: tuple[str, ...] = FACTS,
    cases: tuple[PolicyCase, ...] = (CASE,),
    edges: Sequence[Mapping[str, Any]] | None = None,
) -> PublishPolicy:
    """A policy of these nodes."""
    return PublishPolicy(
        name=name, version=version, facts=facts, graph=graph(*nodes, edges=edges), cases=cases
    )


APPROVING = expressions("x", outcome="'approved'")
