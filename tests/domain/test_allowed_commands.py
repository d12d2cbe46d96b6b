"""`allowed_commands` lists a command if, and only if, some command of its kind by who asks causes an
event.
"""

from datetime import date
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.allowed import Judge, allowed_commands
from lending.domain.application.circumstances import (
    ANYBODY,
    Asking,
    FactsMissing,
    Verdict,
    own_events,
)
from lending.domain.application.decide import decide
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused, forbidden
from lending.domain.application.state import INITIAL, Application
from lending.domain.authority import PrincipalKind, Role
from lending.domain.suspensions import Subject
from tests.domain.builders import (
    POLICY,
    accepted,
    applied,
    approved,
    approving,
    counter_offered,
    disbursed,
    offered,
    rejected,
    scored,
)
from tests.domain.candidates import candidates
from tests.domain.principals import ASKING, NAMES, by, suspended
from tests.domain.spec import NOW, TODAY, circumstances, fold
from tests.domain.strategies import (
    APPLICATIONS,
    DAYS,
    OF_KIND,
    VERDICTS,
    any_command,
    endings,
)
from tests.domain.test_refusals import states

Said = Verdict | FactsMissing | None


def judging(verdict: Said) -> Judge:
    """The active policy, which says this of every application."""
    return lambda _: None if verdict is None else (POLICY, verdict)


def causes_events(
    command: c.Command,
    state: Application,
    on: date,
    asking: Asking = ANYBODY,
    verdict: Said = None,
) -> bool:
    """Whether the command holds, now or as history that is brought in."""
    if not asking.principal.may_issue(type(command)):
        return False
    for backdated in (False, True):
        given_now = circumstances(on=on, backdated=backdated, asking=asking, verdict=verdict)
        given_now = given_now._replace(policy=None if verdict is None else POLICY)
        answer = decide(command, state, given_now)
        if answer and not isinstance(answer, Refused):
            return True
    return False


def possible(
    kind: type[c.Command],
    state: Application,
    on: date,
    asking: Asking = ANYBODY,
    verdict: Said = None,
) -> bool:
    tried = candidates(kind, state)
    if kind is c.Decide:
        tried = [*tried, c.Decide()]
    return any(causes_events(command, state, on, asking, verdict) for command in tried)


@st.composite
def reachable_states(draw: st.DrawFn) -> Application:
    """The state after an application and some commands, most of which take effect."""
    state = INITIAL
    steps = draw(st.lists(st.tuples(any_command(), VERDICTS, DAYS), max_size=25))
    last = draw(st.lists(st.tuples(endings(), VERDICTS, DAYS), max_size=1))
    first = (draw(APPLICATIONS), None, TODAY)
    for command, verdict, on in chain([first], steps, last):
        answer = decide(command, state, circumstances(on=on, verdict=verdict, backdated=True))
        for event in own_events(answer):
            happening = Occurrence(1, NOW, TODAY, draw(st.sampled_from(NAMES)))
            state = evolve(state, event, happening)
    return state


def of_origination(names: list[str]) -> list[str]:
    """Those of the commands that are not about a loan; what is tested of those is in servicing/."""
    known = {c.command_name(kind) for kind in c.ORIGINATION_COMMANDS}
    return [name for name in names if name in known]


@settings(max_examples=150, deadline=None)
@given(state=reachable_states(), on=DAYS, data=st.data())
def test_a_command_is_listed_if_and_only_if_one_of_its_kind_causes_an_event(
    state: Application, on: date, data: st.DataObject
) -> None:
    allowed = of_origination(allowed_commands(state, on, ANYBODY))
    assert allowed == [
        c.command_name(kind) for kind in c.ORIGINATION_COMMANDS if possible(kind, state, on)
    ], state
    for kind in c.ORIGINATION_COMMANDS:
        if c.command_name(kind) not in allowed:
            assert not causes_events(data.draw(OF_KIND[kind]), state, on)


@settings(max_examples=300, deadline=None)
@given(state=reachable_states(), asking=ASKING, verdict=VERDICTS, on=DAYS, data=st.data())
def test_so_it_is_for_every_principal_whatever_is_suspended(
    state: Application, asking: Asking, verdict: Said, on: date, data: st.DataObject
) -> None:
    allowed = of_origination(allowed_commands(state, on, asking, judging(verdict)))
    assert allowed == [
        c.command_name(kind)
        for kind in c.ORIGINATION_COMMANDS
        if possible(kind, state, on, asking, verdict)
    ], (state, asking)
    for kind in c.ORIGINATION_COMMANDS:
        if c.command_name(kind) not in allowed:
            assert not causes_events(data.draw(OF_KIND[kind]), state, on, asking, verdict)


def test_who_scored_is_offered_the_policys_decision_only() -> None:
    state = fold((applied(), scored()), by="ada")
    own = by(Role.RISK, Role.UNDERWRITER, limit="90000")
    other = by(Role.RISK, Role.UNDERWRITER, name="bert")
    assert "decide" not in allowed_commands(state, TODAY, own)
    assert "decide" in allowed_commands(state, TODAY, own, judging(approving()))
    assert "decide" in allowed_commands(state, TODAY, other)


def test_automated_decisions_that_are_suspended_are_offered_to_people_only() -> None:
    state = fold((applied(),))
    off = suspended((Subject.AUTOMATION, None))
    agent = by(Role.UNDERWRITER, suspensions=off)
    human = by(Role.UNDERWRITER, kind=PrincipalKind.HUMAN, suspensions=off)
    assert "decide" not in allowed_commands(state, TODAY, agent, judging(approving()))
    assert "decide" in allowed_commands(state, TODAY, human, judging(approving()))


def test_who_is_suspended_is_offered_nothing() -> None:
    state = fold((applied(),))
    off = suspended((Subject.PRINCIPAL, "ada"))
    assert allowed_commands(state, TODAY, by(Role.INTAKE, suspensions=off)) == []
    for_ada = by(Role.INTAKE, name="bert", on_behalf_of="ada", suspensions=off)
    assert allowed_commands(state, TODAY, for_ada) == []


def test_it_holds_in_every_course_with_every_kind_of_offers() -> None:
    for state in states(c.MakeOffer):
        allowed = of_origination(allowed_commands(state, TODAY, ANYBODY))
        assert allowed == [
            c.command_name(kind) for kind in c.ORIGINATION_COMMANDS if possible(kind, state, TODAY)
        ], state


def test_what_the_state_forbids_is_not_listed() -> None:
    for state in states(c.MakeOffer):
        allowed = of_origination(allowed_commands(state, TODAY, ANYBODY))
        for kind in c.ORIGINATION_COMMANDS:
            if forbidden(kind, state) is not None:
                assert c.command_name(kind) not in allowed


@pytest.mark.parametrize(
    ("history", "names"),
    [
        ((), "apply"),
        (
            (applied(),),
            "amend attach_context request_information score decide add_note hold withdraw "
            "close_unfunded make_offer",
        ),
        (
            (applied(), offered(), approved()),
            "attach_context score override record_notice add_note hold withdraw close_unfunded make_offer "
            "return_offer accept_offer refuse_offer withdraw_offer board",
        ),
        (
            (applied(), offered(), counter_offered()),
            "attach_context score override record_notice add_note hold withdraw close_unfunded "
            "make_offer return_offer refuse_offer withdraw_offer board",
        ),
        (
            (applied(), approved(), offered(), accepted()),
            "attach_context score override record_notice add_note hold withdraw close_unfunded disburse board",
        ),
        (
            (applied(), approved(), offered(), accepted(), disbursed()),
            "attach_context add_note hold set_terms reverse",
        ),
        ((applied(), rejected()), "attach_context score override record_notice add_note hold"),
        ((applied(), e.Withdrawn(by=c.WithdrawnBy.APPLICANT)), "add_note"),
    ],
)
def test_the_list_follows_the_life_of_an_application(
    history: tuple[e.Event, ...], names: str
) -> None:
    assert allowed_commands(fold(history), TODAY, ANYBODY) == names.split()


def test_a_lapsed_offer_is_expired_not_accepted() -> None:
    state = fold((applied(), offered(valid_until=TODAY)))
    assert "accept_offer" in allowed_commands(state, TODAY, ANYBODY)
    assert "expire_offer" not in allowed_commands(state, TODAY, ANYBODY)
    later = allowed_commands(state, date.max, ANYBODY)
    assert "accept_offer" not in later
    assert "expire_offer" in later


def test_what_is_so_already_is_not_listed() -> None:
    returned = (applied(), offered("1"), e.OfferReturned(offer_id="1"))
    assert "return_offer" not in allowed_commands(fold(returned), TODAY, ANYBODY)
    assert "return_offer" in allowed_commands(fold((*returned, offered("2"))), TODAY, ANYBODY)
    held = [e.Held(kind=kind) for kind in c.HoldKind]
    assert "hold" not in allowed_commands(fold((applied(), *held)), TODAY, ANYBODY)
    assert "hold" in allowed_commands(fold((applied(), *held[1:])), TODAY, ANYBODY)
