"""What comes of asking a policy: its answer with the rules that fired, or what is wrong with it."""

from typing import Any

import pytest

from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.policies import PublishPolicy
from lending.policy import limits
from lending.policy.document import written
from lending.policy.engine import Evaluation, evaluate
from lending.policy.faults import FaultyPolicy
from tests.policy.graphs import edge, expressions, nested, policy, switch, table

FACTS: dict[str, Any] = {"amount_minor": 500, "currency": "USD"}
RULES = [
    {"if amount_minor": "< 100", "outcome": "'approved'"},
    {"if amount_minor": "[100..1000]", "outcome": "'counter_offered'", "offer": "99",
     "reasons": "['bankruptcy', 'garnishment_or_attachment']"},
    {"outcome": "'referred'"},
]  # fmt: skip


def ask(given: PublishPolicy, others: tuple[PublishPolicy, ...] = (), **facts: Any) -> Evaluation:
    definitions = {f"{one.name}@{one.version}": written(one)[0] for one in others}
    return evaluate(written(given)[0], {**FACTS, **facts}, definitions)


def fault(given: PublishPolicy, **facts: Any) -> str:
    with pytest.raises(FaultyPolicy) as caught:
        ask(given, **facts)
    return caught.value.fault.kind.value


def answering(**values: str) -> PublishPolicy:
    return policy(expressions("x", **values))


def test_a_table_answers_by_the_first_rule_that_holds() -> None:
    found = ask(policy(table("limits", RULES)))
    assert found.outcome is Outcome.COUNTER_OFFERED
    assert found.reasons == (Reason.BANKRUPTCY, Reason.GARNISHMENT_OR_ATTACHMENT)
    assert (found.amount_minor, found.term_months) == (99, None)
    assert found.rules == ("limits/r1",)
    assert (found.engine, found.engine_version) == ("zen", "2.1.3")


def test_a_table_may_collect_reasons_of_all_rules_that_hold() -> None:
    rules = [
        {"if amount_minor": "> 1", "outcome": "'rejected'", "reasons[]": "'bankruptcy'"},
        {"if amount_minor": "> 1000", "outcome": "'rejected'", "reasons[]": "'recent_inquiries'"},
        {"if amount_minor": "> 2", "outcome": "'rejected'", "reasons[]": "'length_of_residence'"},
    ]
    found = ask(policy(table("t", rules, outputs=("outcome", "reasons[]"))))
    assert found.reasons == (Reason.BANKRUPTCY, Reason.LENGTH_OF_RESIDENCE)
    assert found.rules == ("t/r0", "t/r2")


def test_a_switch_leads_on_and_is_among_the_rules_that_fired() -> None:
    given = policy(
        switch("size", small="amount_minor < 100", large=""),
        expressions("yes", outcome="'approved'"),
        expressions("later", outcome="'referred'"),
        edges=[
            edge("in", "size"), edge("size", "yes", "small"), edge("size", "later", "large"),
            edge("yes", "out"), edge("later", "out"),
        ],
    )  # fmt: skip
    assert (ask(given).outcome, ask(given).rules) == (Outcome.REFERRED, ("size/large",))
    small = ask(given, amount_minor=5)
    assert (small.outcome, small.rules) == (Outcome.APPROVED, ("size/small",))


def test_a_nested_policy_answers_with_its_own_rules() -> None:
    inner = policy(table("limits", RULES), name="inner")
    middle = policy(nested("ask", "inner@1"), name="middle")
    found = ask(policy(nested("top", "middle@1")), (inner, middle))
    assert found.outcome is Outcome.COUNTER_OFFERED
    assert found.rules == ("top>ask>limits/r1",)


def test_policies_are_asked_as_deep_as_they_may_be_nested() -> None:
    most = limits.POLICY_NESTING_MAX
    inner = [policy(nested("ask", f"p{n - 1}@1"), name=f"p{n}") for n in range(2, most)]
    innermost = policy(table("limits", RULES), name="p1")
    found = ask(policy(nested("ask", f"p{most - 1}@1")), (innermost, *inner))
    assert found.rules == ("ask>" * (most - 1) + "limits/r1",)


def test_the_trace_is_the_same_each_time_and_has_neither_times_nor_floats() -> None:
    given = policy(expressions("x", passing=True, third="amount_minor / 3"), table("limits", RULES))
    one, two = ask(given), ask(given)
    assert one == two
    assert '"third":"166.66666666666666"' in one.trace
    assert "performance" not in one.trace
    assert one.trace_digest != ask(given, amount_minor=501).trace_digest


@pytest.mark.parametrize("amount", [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 10**19 - 1])
def test_integers_are_exact_up_to_the_largest_amount(amount: int) -> None:
    exact = policy(
        expressions("x", passing=True, times="amount_minor * 100 * 100"),
        table("t", [{"if times": f"== {amount}0000", "outcome": "'approved'"}], fields=["times"]),
    )
    assert ask(exact, amount_minor=amount).outcome is Outcome.APPROVED
    assert fault(exact, amount_minor=amount - 1) == "outcome_invalid"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"outcome": "'maybe'"}, "outcome_invalid"),
        ({"outcome": "7"}, "outcome_invalid"),
        ({"reasons": "[]"}, "outcome_invalid"),
        ({"outcome": "'approved'", "apr": "7"}, "answer_unknown"),
        ({"outcome": "'approved'", "reasons": "['bankruptcy']"}, "reasons_invalid"),
        ({"outcome": "'rejected'"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "[]"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "'bankruptcy'"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "['low score']"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "['other']"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "['not_recorded']"}, "reasons_invalid"),
        ({"outcome": "'rejected'", "reasons": "['bankruptcy', 'bankruptcy']"}, "reasons_invalid"),
        ({"outcome": "'approved'", "amount_minor": "5"}, "amount_invalid"),
        ({"outcome": "'counter_offered'", "reasons": "['bankruptcy']", "amount_minor": "-5"},
         "amount_invalid"),
        ({"outcome": "'counter_offered'", "reasons": "['bankruptcy']", "amount_minor": "2.5"},
         "amount_invalid"),
        ({"outcome": "'counter_offered'", "reasons": "['bankruptcy']", "amount_minor": "1" + "0" * 20},
         "amount_invalid"),
        ({"outcome": "'counter_offered'", "reasons": "['bankruptcy']", "term_months": "1201"},
         "term_invalid"),
        ({"outcome": "'approved'", "reasons": "null"}, "no_value"),
        ({"outcome": "currency > 5 ? 'approved' : 'referred'"}, "expression_failed"),
        ({"outcome": "amount_minor * 99999999999999999999999999999 > 1 ? 'a' : 'b'"},
         "expression_failed"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_decision_is_a_fault_of_its_kind(
    values: dict[str, str], kind: str
) -> None:
    assert fault(answering(**values)) == kind


def test_a_policy_whose_graph_leads_nowhere_gives_no_answer() -> None:
    assert fault(policy(edges=[])) == "answer_unknown"
    rules = [{"if amount_minor": "> 1000", "outcome": "'approved'"}]
    assert fault(policy(table("t", rules))) == "outcome_invalid"


def test_facts_that_come_through_are_no_answer() -> None:
    assert fault(policy(expressions("x", passing=True, outcome="'approved'"))) == "answer_unknown"


def test_a_value_that_a_node_does_not_get_is_missing_and_not_null() -> None:
    lost = policy(expressions("x", flag="true"), table("t", RULES))
    assert fault(lost) == "no_value"


def test_a_rule_that_cannot_be_computed_is_passed_over_and_one_without_a_value_is_a_fault() -> None:
    passed = [{"outcome": "'approved'", "offer": "currency * 2"}, {"outcome": "'referred'"}]
    assert ask(policy(table("t", passed))).rules == ("t/r1",)
    assert fault(policy(table("t", [{"outcome": "amount_minor / 0"}]))) == "expression_failed"


def test_division_by_zero_never_passes_for_a_value() -> None:
    """It cannot be published; were it on record it would still be no decision."""
    assert fault(answering(outcome="amount_minor / 0")) == "no_value"
    assert fault(answering(outcome="amount_minor / 0 > 1 ? 'approved' : 'referred'")) == (
        "expression_failed"
    )
