"""Authority: who is suspended, whose own score it is, what only a person may do, and how much."""

from decimal import Decimal

import pytest

from lending.domain.application import commands as c
from lending.domain.application.circumstances import Asking
from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import OF_AUTHORITY, Refusal
from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.suspensions import Subject
from tests.domain.builders import applied, approved, approving, rejected, scored
from tests.domain.principals import by, principal, suspended
from tests.domain.spec import Given, fold, given

APPROVE = c.Decide(outcome=Outcome.APPROVED)
REJECT = c.Decide(outcome=Outcome.REJECTED, reasons=(Reason.INCOME_INSUFFICIENT,))
OVERRIDE = c.Override(outcome=Outcome.APPROVED, justification="a bonus was overlooked")
HUMAN = PrincipalKind.HUMAN
SCORED_BY_ADA = Given(fold((applied(), scored()), by="ada"))


def underwriter(name: str, limit: str | None, kind: PrincipalKind = HUMAN) -> Principal:
    return principal(Role.UNDERWRITER, name=name, limit=limit, kind=kind)


def test_who_is_suspended_does_nothing_more_and_hears_why() -> None:
    off = suspended((Subject.PRINCIPAL, "ada"))
    for asking in (by(suspensions=off), by(name="bert", on_behalf_of="ada", suspensions=off)):
        note = given(applied()).when(c.AddNote(text="x"), asking=asking)
        note.then(Refusal.PRINCIPAL_SUSPENDED).naming("a drill")
    given(applied()).when(REJECT, asking=by(name="bert", suspensions=off)).then(
        rejected(Reason.INCOME_INSUFFICIENT)
    )


@pytest.mark.parametrize("kind", PrincipalKind)
def test_automated_decisions_are_those_of_policies_agents_and_systems(kind: PrincipalKind) -> None:
    off = suspended((Subject.AUTOMATION, None))
    asking = by(kind=kind, suspensions=off)
    by_policy = given(applied()).when(c.Decide(), verdict=approving(), asking=asking)
    by_policy.then(Refusal.AUTOMATION_SUSPENDED).naming("a drill")
    own = given(applied()).when(REJECT, asking=asking)
    if kind is HUMAN:
        own.then(rejected(Reason.INCOME_INSUFFICIENT))
    else:
        own.then(Refusal.AUTOMATION_SUSPENDED)


@pytest.mark.parametrize("name", ["debt-to-income", "debt-to-income@1"])
def test_a_suspended_policy_decides_nothing_and_nothing_rests_on_it(name: str) -> None:
    off = by(kind=HUMAN, suspensions=suspended((Subject.POLICY, name)))
    asked = given(applied()).when(c.Decide(), verdict=approving(), asking=off)
    asked.then(Refusal.POLICY_SUSPENDED).naming("a drill")
    resting = c.Decide(
        outcome=Outcome.REJECTED,
        reasons=(Reason.INCOME_INSUFFICIENT,),
        policy="debt-to-income",
        policy_version="1",
    )
    given(applied()).when(resting, asking=off).then(Refusal.POLICY_SUSPENDED)
    given(applied()).when(REJECT, asking=off).then(rejected(Reason.INCOME_INSUFFICIENT))


@pytest.mark.parametrize(
    "asking",
    [
        by(Role.RISK, Role.UNDERWRITER, limit="90000"),
        by(Role.UNDERWRITER, name="bert", on_behalf_of="ada", limit="90000"),
    ],
)
def test_who_scored_an_application_does_not_decide_it(asking: Asking) -> None:
    SCORED_BY_ADA.when(APPROVE, asking=asking).then(Refusal.OWN_SCORE)


def test_on_whose_behalf_it_was_scored_does_not_decide_it_either() -> None:
    state = SCORED_BY_ADA.state._replace(scorers=frozenset({"risk-agent", "ada"}))
    Given(state).when(APPROVE, asking=by(kind=HUMAN, limit="90000")).then(Refusal.OWN_SCORE)


def test_the_policy_decides_whoever_asks_it() -> None:
    asked = SCORED_BY_ADA.when(c.Decide(), verdict=approving(), asking=by(Role.UNDERWRITER))
    assert asked.after.decided


def test_an_override_needs_a_person() -> None:
    decided = given(applied(), approved())
    override = c.Override(outcome=Outcome.REJECTED, justification="x", reasons=(Reason.BANKRUPTCY,))
    for kind in (PrincipalKind.AGENT, PrincipalKind.SYSTEM):
        decided.when(override, asking=by(kind=kind)).then(Refusal.HUMAN_REQUIRED)
    assert decided.when(override, asking=by(kind=HUMAN)).after.rejected


def test_an_amount_above_the_limit_is_refused_with_who_could() -> None:
    registered = (
        underwriter("bert", "12000"),
        underwriter("cleo", "11999.99"),
        underwriter("dora", None),
        principal(Role.IMPORTER, name="emil", limit="90000", kind=HUMAN),
        principal(Role.RISK, name="fred", limit="90000", kind=HUMAN),
        underwriter("gina", "90000", PrincipalKind.AGENT),
    )
    asking = by(Role.UNDERWRITER, limit="5000", kind=HUMAN, registered=registered)
    given(applied()).when(APPROVE, asking=asking).then(Refusal.ABOVE_AUTHORITY).naming(
        "12000.00 USD; ada may approve at most 5000; bert, gina could"
    )
    given(applied(), rejected()).when(OVERRIDE, asking=asking).then(Refusal.ABOVE_AUTHORITY).naming(
        "12000.00 USD; ada may approve at most 5000; bert could"
    )


def test_neither_the_scorer_nor_the_suspended_is_named_and_no_more_than_five_are() -> None:
    names = ("ada", "bert", "cleo", "dora", "emil", "fred", "gina", "hugo")
    asking = by(
        name="zoe",
        kind=HUMAN,
        registered=tuple(underwriter(name, "90000") for name in names),
        suspensions=suspended((Subject.PRINCIPAL, "bert")),
    )
    SCORED_BY_ADA.when(APPROVE, asking=asking).naming(
        "12000.00 USD; zoe may approve none; cleo, dora, emil, fred, gina and 1 more could"
    )


def test_where_nobody_could_it_says_so() -> None:
    given(applied()).when(APPROVE, asking=by(limit="11999.99")).naming(
        "12000.00 USD; ada may approve at most 11999.99; nobody registered could"
    )


def test_a_limit_is_in_one_currency() -> None:
    in_euro = given(applied(currency="EUR"))
    in_euro.when(APPROVE, asking=by(limit="90000")).then(Refusal.ABOVE_AUTHORITY)
    given(applied()).when(APPROVE, asking=by(limit="12000")).then(approved())


def test_a_counter_offer_is_an_approval_of_its_own_amount() -> None:
    counter = c.Decide(
        outcome=Outcome.COUNTER_OFFERED,
        amount=Decimal(9000),
        reasons=(Reason.INCOME_INSUFFICIENT,),
    )
    given(applied()).when(counter, asking=by(limit="8999.99")).then(Refusal.ABOVE_AUTHORITY)
    assert given(applied()).when(counter, asking=by(limit="9000")).after.decided


def test_imported_history_is_what_others_decided() -> None:
    importer = by(Role.IMPORTER, suspensions=suspended((Subject.AUTOMATION, None)))
    SCORED_BY_ADA.when(APPROVE, asking=importer, backdated=True).then(approved())
    SCORED_BY_ADA.when(APPROVE, asking=importer).then(Refusal.AUTOMATION_SUSPENDED)


def test_only_an_importer_leaves_a_reason_unrecorded() -> None:
    unrecorded = c.Decide(outcome=Outcome.REJECTED, reasons=(Reason.NOT_RECORDED,))
    for role in Role:
        answer = given(applied()).when(unrecorded, asking=by(role), backdated=True)
        if role is Role.IMPORTER:
            answer.then(rejected(Reason.NOT_RECORDED))
        else:
            answer.then(Refusal.REASON_FOR_IMPORT_ONLY)


def test_nothing_that_depends_on_who_asks_is_enforced_without_authentication() -> None:
    given(applied(), scored()).when(APPROVE).then(approved())
    assert given(applied(), rejected()).when(OVERRIDE).after.decided


def test_the_refusals_of_authority_are_known_as_such() -> None:
    assert [one.code for one in Refusal if one.of_authority] == [
        "principal_suspended", "automation_suspended", "policy_suspended", "own_score",
        "human_required", "above_authority",
    ]  # fmt: skip
    assert {one for one in Refusal if one.of_authority} == OF_AUTHORITY
