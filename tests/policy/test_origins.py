"""The events that facts came from, and the rules of policies by the names decisions cite."""

from datetime import UTC, datetime
from decimal import Decimal

from lending.domain.application import events as e
from lending.domain.application.commands import ContextKind, CreditKind
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.state import INITIAL
from lending.domain.fields import ERASED
from lending.policy.document import written
from lending.policy.facts import SCHEMA
from lending.policy.origins import Origins
from lending.policy.rules import made_of, rules_of
from tests.policy.graphs import edge, expressions, nested, policy, switch, table

AT = datetime(2026, 10, 1, tzinfo=UTC)
APPLIED = e.Applied(
    applicant_id="c",
    amount=Decimal(100),
    currency="USD",
    credit_kind=CreditKind.CONSUMER,
    income=Decimal(10),
)


def origins(*happened: e.Event) -> Origins:
    found, state = Origins(), INITIAL
    for version, event in enumerate(happened, 1):
        state = evolve(state, event, Occurrence(version, AT, AT.date(), "a"))
        found.take(event, state, version)
    return found


def score(number: int) -> e.Scored:
    return e.Scored(model="m", model_version="1", score=Decimal(number))


def test_a_fact_came_from_the_event_that_gave_it_last_even_with_the_same_value() -> None:
    found = origins(APPLIED, score(700), e.Noted(text="n"), score(700)).versions
    assert found["score_millionths"] == (4,)
    assert found["amount_minor"] == found["currency"] == (1,)
    found = origins(APPLIED, score(700), e.Amended(amount=Decimal(100))).versions
    assert (found["amount_minor"], found["score_stale"], found["score_millionths"]) == (
        (3,), (3,), (2,),
    )  # fmt: skip


def test_what_several_events_gather_came_from_all_of_them() -> None:
    asked = e.InformationRequested(items=("a", "b"))
    came = e.InformationSupplied(items=("a",))
    document = e.ContextAttached(kind=ContextKind.DOCUMENT)
    found = origins(APPLIED, asked, came, document, document).versions
    assert found["outstanding"] == (1, 2, 3)
    assert found["context_kinds"] == (1, 4, 5)


def test_every_fact_that_an_application_has_came_from_some_event() -> None:
    verified = e.ContextAttached(kind=ContextKind.VERIFICATION, stage="done")
    scored = e.Scored(
        model="m", model_version="1", score=Decimal(5), score_low=Decimal(1), score_high=Decimal(9)
    )
    amended = e.Amended(term_months=12)
    found = origins(APPLIED, verified, scored, amended).versions
    assert found.keys() == SCHEMA.keys()


def test_an_erased_fact_still_says_where_it_came_from() -> None:
    given = e.Applied(
        applicant_id="c", amount=Decimal(1), currency="USD", credit_kind=CreditKind.CONSUMER,
        income=ERASED,
    )  # fmt: skip
    assert origins(given).versions["income_monthly_minor"] == (1,)


def test_rules_are_known_by_the_names_that_are_cited_with_what_they_look_at() -> None:
    inner, _ = written(
        policy(expressions("x", outcome="amount_minor > 1 ? 'approved' : 'referred'"))
    )
    nodes = (
        expressions("sum", passing=True, twice="2 * amount_minor", again="$.twice"),
        switch("way", small="twice < 10", rest=""),
        table(
            "t", [{"if amount_minor": "> 5", "outcome": "'approved'"}, {"outcome": "'referred'"}]
        ),
        nested("ask", "p@1"),
    )
    edges = [
        edge("in", "sum"), edge("sum", "way"), edge("way", "t", "small"), edge("way", "ask", "rest"),
        edge("t", "out"), edge("ask", "out"),
    ]  # fmt: skip
    outer, _ = written(policy(*nodes, edges=edges))
    rules = rules_of(outer, {"p@1": inner})
    assert rules["way/small"].looks_at == ("twice",)
    assert rules["t/r0"].conditions == ("amount_minor: > 5",)
    assert (rules["t/r1"].conditions, rules["t/r1"].looks_at) == ((), ("amount_minor",))
    made = made_of(outer, {"p@1": inner})
    assert made["again"] == made["twice"] == {"amount_minor"}
    assert made["outcome"] == {"amount_minor", "currency"}
