"""What an application waits for next, and of whom."""

from datetime import date

import pytest
from hypothesis import given as over
from hypothesis import settings

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.allowed import allowed_commands
from lending.domain.application.circumstances import ANYBODY
from lending.domain.application.commands import Closure, ContextKind, HoldKind, NoticeKind
from lending.domain.application.refusals import MAX_OFFERS
from lending.domain.application.state import INITIAL, Application
from lending.domain.application.work import WORKERS, waiting_for
from lending.domain.authority import MAY, MAY_ISSUE, Permission, Role
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    counter_offered,
    disbursed,
    offered,
    referred,
    rejected,
    scored,
)
from tests.domain.spec import TODAY, given
from tests.domain.strategies import DAYS
from tests.domain.test_allowed_commands import reachable_states
from tests.domain.test_refusals import states

CONTEXT = e.ContextAttached(kind=ContextKind.CUSTOMER_CONTEXT, digest="0" * 64)
DOCUMENT = e.ContextAttached(kind=ContextKind.DOCUMENT, digest="0" * 64)
AMENDED = e.Amended(term_months=48)
ASKED = e.InformationRequested(items=("payslip", "passport"))
HELD = e.Held(kind=HoldKind.FRAUD)
RELEASED = e.Released(kind=HoldKind.FRAUD)
WITHDRAWN = e.Withdrawn(by=c.WithdrawnBy.APPLICANT)
INCOMPLETE = e.ClosedUnfunded(closed_as=Closure.INCOMPLETE)
LOWER = offered(amount="9000.00")


def supplied(*items: str) -> e.InformationSupplied:
    return e.InformationSupplied(items=items)


def noticed(kind: NoticeKind) -> e.NoticeSent:
    return e.NoticeSent(kind=kind, sent_on=TODAY, channel="letter")


ADVERSE, COUNTER = noticed(NoticeKind.ADVERSE_ACTION), noticed(NoticeKind.COUNTER_OFFER)
OVERRIDDEN = e.Overridden(outcome=c.Outcome.REJECTED, justification="x", reasons=rejected().reasons)


@pytest.mark.parametrize(
    ("history", "task"),
    [
        ((), "context attach_context"),
        ((DOCUMENT,), "context attach_context"),
        ((CONTEXT,), "risk score"),
        ((CONTEXT, ASKED), "intake supply_information"),
        ((CONTEXT, ASKED, supplied("payslip")), "intake supply_information"),
        ((CONTEXT, ASKED, supplied("payslip", "passport")), "risk score"),
        ((scored(),), "underwriter decide"),
        ((CONTEXT, scored()), "underwriter decide"),
        ((CONTEXT, scored(), AMENDED), "risk score"),
        ((CONTEXT, scored(), AMENDED, scored()), "underwriter decide"),
        ((scored(), ASKED), "intake supply_information"),
        ((scored(), offered(), accepted()), "underwriter decide"),
        ((referred(),), "underwriter decide"),
        ((referred(), ASKED), "intake supply_information"),
        ((scored(), referred(), AMENDED), "risk score"),
        ((approved(),), "underwriter make_offer"),
        ((approved(), ASKED), "underwriter make_offer"),
        ((approved(), offered()), "intake accept_offer"),
        ((approved(), offered(), e.OfferRefused(offer_id="1")), "underwriter make_offer"),
        ((offered(), accepted(), approved("9000.00")), "underwriter make_offer"),
        ((approved(), offered(), accepted()), "servicing disburse"),
        ((offered(), accepted(), approved()), "servicing disburse"),
        ((counter_offered(),), "underwriter make_offer"),
        ((counter_offered(), LOWER), "underwriter record_notice"),
        ((counter_offered(), COUNTER, LOWER), "intake accept_offer"),
        ((counter_offered(), COUNTER, LOWER, accepted()), "servicing disburse"),
        ((rejected(),), "underwriter record_notice"),
        ((rejected(), COUNTER), "underwriter record_notice"),
        ((rejected(), ADVERSE, OVERRIDDEN), "underwriter record_notice"),
        ((INCOMPLETE,), "underwriter record_notice"),
        ((HELD,), "underwriter release"),
        ((approved(), offered(), accepted(), HELD), "underwriter release"),
        ((approved(), offered(), accepted(), HELD, RELEASED), "servicing disburse"),
    ],
)
def test_each_application_waits_for_one_task(history: tuple[e.Event, ...], task: str) -> None:
    waits_for = waiting_for(given(applied(), *history).state)
    assert waits_for is not None
    assert f"{waits_for.role} {waits_for.command}" == task


@pytest.mark.parametrize(
    "history",
    [
        (rejected(), ADVERSE),
        (rejected(), ADVERSE, HELD),
        (INCOMPLETE, ADVERSE),
        (ASKED, noticed(NoticeKind.INCOMPLETENESS), INCOMPLETE),
        (WITHDRAWN,),
        (HELD, WITHDRAWN),
        (e.ClosedUnfunded(closed_as=Closure.EXPIRED), ADVERSE),
        (approved(), offered(), e.ClosedUnfunded(closed_as=Closure.EXPIRED)),
        (approved(), offered(), accepted(), disbursed()),
        (approved(), offered(), accepted(), disbursed(), HELD),
    ],
)
def test_in_the_end_nothing_is_waited_for(history: tuple[e.Event, ...]) -> None:
    assert waiting_for(given(applied(), *history).state) is None


def test_who_has_not_applied_waits_for_nothing() -> None:
    assert waiting_for(INITIAL) is None


def test_where_no_offer_can_be_made_any_more_the_application_is_closed() -> None:
    refused = [
        event
        for number in range(MAX_OFFERS)
        for event in (offered(str(number)), e.OfferRefused(offer_id=str(number)))
    ]
    task = waiting_for(given(applied(), approved(), *refused).state)
    assert task == (Role.UNDERWRITER, "close_unfunded")


def holds_to_the_rules(state: Application, on: date) -> None:
    task = waiting_for(state)
    if task is None:
        return
    allowed = allowed_commands(state, on, ANYBODY)
    lapsed = task.command == "accept_offer" and "expire_offer" in allowed
    assert task.command in allowed or lapsed, (task, state)


@settings(max_examples=300, deadline=None)
@over(state=reachable_states(), on=DAYS)
def test_some_command_of_the_kind_waited_for_causes_an_event(state: Application, on: date) -> None:
    holds_to_the_rules(state, on)


def test_it_holds_in_every_course_with_every_kind_of_offers() -> None:
    for state in states(c.MakeOffer):
        holds_to_the_rules(state, TODAY)


@pytest.mark.parametrize(("command", "role"), WORKERS.items())
def test_the_role_that_is_waited_for_may_issue_the_command(
    command: type[c.Command], role: Role
) -> None:
    assert command in MAY_ISSUE[role]
    assert Permission.DO_WORK in MAY[role]
