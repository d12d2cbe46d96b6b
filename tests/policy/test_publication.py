"""What may be published as a policy, and what is said of what may not: each fault by its place."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.application.commands import Outcome
from lending.domain.policies import (
    NO_POLICIES,
    Policies,
    PolicyPublished,
    PolicyWithdrawn,
    PublishPolicy,
    evolve_policies,
)
from lending.policy import limits
from lending.policy.checking import faults, unreadable
from lending.policy.document import digest_of, written
from lending.policy.facts import SCHEMA
from lending.policy.faults import MEANINGS, FaultKind
from lending.policy.graph import graph_of
from tests.policy.graphs import (
    APPROVING,
    CASE,
    FACTS,
    edge,
    expressions,
    graph,
    nested,
    policy,
    switch,
    table,
)

NOW = datetime(2026, 3, 9, tzinfo=UTC)


def found(given: PublishPolicy, policies: Policies = NO_POLICIES) -> list[tuple[str, str]]:
    return [(fault.kind.value, fault.place) for fault in faults(given, policies)]


def with_published(*policies: PublishPolicy) -> Policies:
    known = NO_POLICIES
    for position, one in enumerate(policies, 1):
        definition, _ = written(one)
        event = PolicyPublished(
            name=one.name,
            version=one.version,
            definition=definition,
            digest=digest_of(definition),
        )
        known = evolve_policies(known, event, position, NOW)
    return known


def of_kind(kind: str, content: Any = None) -> dict[str, Any]:
    return {"id": "n", "type": kind, "name": "n", "content": content}


def test_what_has_no_fault_can_be_published() -> None:
    assert found(policy(APPROVING)) == []


@pytest.mark.parametrize("kind", ["functionNode", "httpNode", "customNode", "anything", None, 7])
def test_nodes_that_run_code_ask_the_world_or_are_unknown_are_refused(kind: Any) -> None:
    code = of_kind(kind, {"source": "export const handler = () => Date.now()"})
    assert ("node_refused", "/graph/nodes/1") in found(policy(code))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("d()", "function_refused"),
        ("date('now')", "function_refused"),
        ("rand(100)", "function_refused"),
        ("map([0..1000000], 1)", "function_refused"),
        ("max ([amount_minor, 1]) + rand (1)", "function_refused"),
        ("amount_minor.rand(1)", "function_refused"),
        ("amont_minor * 2", "name_unknown"),
        ("$root", "name_unknown"),
        ("amount_minor / 0", "divisor_refused"),
        ("amount_minor % amount_minor", "divisor_refused"),
        ("1 / (0)", "divisor_refused"),
        ("1 / 0.00", "divisor_refused"),
        ("`x${amount_minor}`", "syntax_refused"),
        ("{outcome: 1}", "syntax_refused"),
        ("amount_minor ^ 99", "syntax_refused"),
        ("amount_minor = 3; 1", "syntax_refused"),
        ("'never closed", "syntax_refused"),
        ("#", "syntax_refused"),
        ("1" * (limits.POLICY_EXPRESSION_MAX_CHARACTERS + 1), "expression_too_long"),
    ],
)
def test_expressions_see_facts_only_and_always_end(text: str, fault: str) -> None:
    place = "/graph/nodes/1/content/expressions/0/value"
    assert found(policy(expressions("x", outcome=text))) == [(fault, place)]
    cell = table("t", [{"if amount_minor": text, "outcome": "'approved'"}])
    assert found(policy(cell)) == [(fault, "/graph/nodes/1/content/rules/0/if amount_minor")]
    led = policy(switch("s", a=text), APPROVING)
    assert found(led) == [(fault, "/graph/nodes/1/content/statements/0/condition")]


@pytest.mark.parametrize(
    "text", ["amount_minor / 100", "amount_minor % 7 == 0", "max([amount_minor, 3]) > 1_000",
             "not (currency in ['USD', 'it''s'])", "contains(currency, 'US') ? 'a' : 'b'"],
)  # fmt: skip
def test_ordinary_expressions_are_taken(text: str) -> None:
    assert found(policy(expressions("y", passing=True, value=text), APPROVING)) == []


@pytest.mark.parametrize("text", ["(", "1 +", "amount_minor amount_minor", "a ? b", ")"])
def test_what_the_engine_cannot_read_is_named_by_its_place(text: str) -> None:
    for node, place in (
        (expressions("x", outcome=text), "expressions/0/value"),
        (table("t", [{"if amount_minor": text}]), "rules/0/if amount_minor"),
    ):
        definition, _ = written(policy(node))
        (fault,) = unreadable(definition)
        assert (fault.kind, fault.place) == (
            FaultKind.EXPRESSION_INVALID,
            f"/graph/nodes/1/content/{place}",
        )


def test_a_condition_may_begin_with_a_comparison() -> None:
    definition, _ = written(policy(table("t", [{"if amount_minor": "> 5", "outcome": "'a'"}])))
    assert unreadable(definition) == []


LOOP = [edge("in", "a"), edge("a", "b"), edge("b", "a"), edge("b", "out")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (policy(expressions("a", v="1"), expressions("b", w="2"), edges=LOOP), "cyclic"),
        (policy(APPROVING, edges=[edge("in", "nowhere")]), "edge_malformed"),
        (policy(APPROVING, expressions("x", v="1")), "name_repeated"),
        (policy(expressions("x", **{"a.b": "1"})), "node_malformed"),
        (policy(expressions("x", outcome="")), "node_malformed"),
        (policy(of_kind("expressionNode")), "node_malformed"),
        (policy(of_kind("expressionNode", {"expressions": "x"})), "node_malformed"),
        (policy(of_kind("inputNode")), "not_one_input"),
        (policy(of_kind("outputNode")), "not_one_output"),
        (policy(table("t", [{"_id": "a"}, {"_id": "a"}])), "name_repeated"),
        (policy(table("t", [], hits="sometimes")), "node_malformed"),
        (policy(*[expressions(f"x{n}", v="1") for n in range(200)]), "too_many_nodes"),
        (policy(table("t", [{}] * 1001)), "too_many_rules"),
        (policy(table("t", [{"_description": "x" * 90}] * 600)), "too_large"),
        (policy(nested("n", "other@1")), "nested_unknown"),
        (policy(nested("n", "p@1")), "nested_unknown"),
        (policy(APPROVING, facts=("amount_minor",)), "fact_wrong"),
        (policy(APPROVING, facts=(*FACTS, "shoe_size")), "fact_unknown"),
        (policy(APPROVING, facts=(*FACTS, "currency")), "fact_repeated"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_be_meant_is_refused(given: PublishPolicy, expected: str) -> None:
    assert expected in [kind for kind, _ in found(given)]


@pytest.mark.parametrize(
    "more", [{"inputField": "items"}, {"outputPath": "x"}, {"executionMode": "loop"}]
)
def test_nodes_that_repeat_are_refused(more: dict[str, str]) -> None:
    node = expressions("x", outcome="'approved'")
    node["content"] |= more
    (place,) = more
    assert found(policy(node)) == [("node_malformed", f"/graph/nodes/1/content/{place}")]


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"amount_minor": 100}, "currency"),
        ({**CASE.facts, "amount_minor": "100"}, "amount_minor"),
        ({**CASE.facts, "amount_minor": True}, "amount_minor"),
        ({**CASE.facts, "amount_minor": Decimal("1.5")}, "amount_minor"),
        ({**CASE.facts, "amount_minor": 2**64}, "amount_minor"),
        ({**CASE.facts, "currency": "x" * 501}, "currency"),
        ({**CASE.facts, "currency": ["USD"]}, "currency"),
        ({**CASE.facts, "term_months": 12}, "term_months"),
    ],
)
def test_a_case_gives_just_the_facts_that_the_policy_names(
    facts: dict[str, object], place: str
) -> None:
    given = policy(APPROVING, cases=(CASE, replace(CASE, facts=facts)))
    assert {where for _, where in found(given)} == {f"/cases/1/facts/{place}"}


def test_a_number_that_is_not_whole_is_refused_but_where_a_node_is_drawn() -> None:
    node = {**APPROVING, "position": {"x": Decimal("180.5"), "y": Decimal("1e400")}}
    assert found(policy(node)) == []
    node = {**APPROVING, "weight": Decimal("0.5")}
    assert found(policy(node)) == [("number_not_whole", "/graph/nodes/1/weight")]


def test_a_policy_is_built_on_published_ones_to_a_bounded_depth() -> None:
    layers = [policy(APPROVING, name="p1")]
    for depth in range(2, limits.POLICY_NESTING_MAX + 1):
        above = policy(nested("n", f"p{depth - 1}@1"), name=f"p{depth}")
        assert found(above, with_published(*layers)) == []
        layers.append(above)
    deepest = policy(nested("n", f"{layers[-1].name}@1"), name="too-deep")
    place = "/graph/nodes/1/content/key"
    assert found(deepest, with_published(*layers)) == [("nested_too_deep", place)]


def test_a_policy_is_not_built_on_one_that_is_withdrawn_or_needs_other_facts() -> None:
    inner = policy(APPROVING, name="inner", facts=(*FACTS, "term_months"))
    known = with_published(inner)
    outer = policy(nested("n", "inner@1"))
    assert [kind for kind, _ in found(outer, known)] == ["nested_unknown"]
    outer = policy(
        nested("n", "inner@1"),
        facts=inner.facts,
        cases=(replace(CASE, facts={**CASE.facts, "term_months": 12}),),
    )
    assert found(outer, known) == []
    gone = PolicyWithdrawn(name="inner", version="1", reason="replaced")
    assert [kind for kind, _ in found(outer, evolve_policies(known, gone, 9, NOW))] == [
        "nested_unknown"
    ]


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_spelled() -> None:
    one = policy(APPROVING)
    other = replace(one, graph=dict(reversed(list(one.graph.items()))))
    assert written(one) == written(other)
    assert written(one) != written(replace(one, cases=(replace(CASE, outcome=Outcome.REFERRED),)))


def test_nodes_have_one_order_whatever_the_order_in_which_they_are_written() -> None:
    nodes = [expressions(name, **{name: "1"}) for name in "cab"]
    edges = [edge("in", name) for name in "abc"] + [edge(name, "out") for name in "abc"]
    for order in (nodes, nodes[::-1]):
        given = PublishPolicy(
            name="p", version="1", facts=FACTS, graph=graph(*order, edges=edges), cases=(CASE,)
        )
        assert list(graph_of(written(given)[0]).nodes) == ["in", "a", "b", "c", "out"]


def test_every_fault_has_a_meaning_and_every_fact_one_too() -> None:
    assert set(MEANINGS) == set(FaultKind)
    assert all(text.endswith(".") for text in MEANINGS.values())
    assert all(fact.meaning for fact in SCHEMA.values())
