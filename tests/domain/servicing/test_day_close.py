"""Closing days: in any order, with any left out, it comes to what closing each in its turn comes to."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import pytest

from lending.domain.application import commands as c
from lending.domain.loan.terms import LateFee
from lending.domain.servicing import commands as s
from lending.domain.servicing import events as e
from lending.domain.servicing.day_close import EVENTS_MAX
from tests.domain.servicing.lives import PAYOUT, Life, accepted_offer, day, running, with_terms

LAST: Final = date(2026, 4, 12)
ALL_DAYS: Final = tuple(PAYOUT + timedelta(days=n) for n in range((LAST - PAYOUT).days + 1))
ORDERS: Final = {
    "one": (LAST,),
    "some": (date(2026, 2, 20), date(2026, 3, 3), LAST),
    "out of order": (date(2026, 3, 3), date(2026, 2, 10), LAST, date(2026, 3, 31)),
    "backwards": tuple(reversed(ALL_DAYS)),
}


def closed(life: Life, days: Iterable[date]) -> Life:
    """The life with these days closed."""
    for one in days:
        life.does(s.CloseDay(), one)
    return life


def brought(life: Life) -> list[tuple[date, str, Any]]:
    """What closing days booked, each by its day."""
    told = [
        (on, event.stored_as, getattr(event, "amount", None) or event.booking.postings)
        for on, event in life.events
        if isinstance(event, e.ChargeAssessed | e.InterestAccrued | e.ChargedOff | e.WrittenOff)
    ]
    return sorted(told, key=lambda one: (one[0], one[1]))


def fees(life: Life) -> list[tuple[date, date | None]]:
    """The days of late fees, with the due dates they are for."""
    charged = [(on, x) for on, x in life.events if isinstance(x, e.ChargeAssessed)]
    return sorted((on, x.late_for) for on, x in charged)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_days_closed_in_any_order_come_to_what_each_day_in_turn_comes_to(
    order: tuple[date, ...],
) -> None:
    in_turn, other = closed(running(), ALL_DAYS), closed(running(), order)
    assert brought(other) == brought(in_turn)
    assert other.loan.accounts == in_turn.loan.accounts
    assert fees(other) == [
        (date(2026, 2, 7), date(2026, 2, 1)),
        (date(2026, 3, 7), date(2026, 3, 1)),
        (date(2026, 4, 7), date(2026, 4, 1)),
    ]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_payments_meanwhile_are_late_where_they_were_late_on_the_day(
    order: tuple[date, ...],
) -> None:
    paid_on = (date(2026, 2, 5), date(2026, 3, 20))  # in time, and late

    def paying(days: Iterable[date]) -> Life:
        life, due = running(), list(paid_on)
        for one in sorted({*days, *paid_on}):
            while due and due[0] <= one:
                life.does(s.Repay(amount=Decimal("106.62")), due.pop(0))
            if one in days:
                life.does(s.CloseDay(), one)
        return life

    in_turn, other = paying(ALL_DAYS), paying(order)
    assert fees(other) == fees(in_turn)
    assert [late_for for _, late_for in fees(other)] == [date(2026, 3, 1), date(2026, 4, 1)]
    assert other.loan.accounts == in_turn.loan.accounts
    assert other.book().instalments == in_turn.book().instalments


def test_a_day_before_the_last_closed_one_brings_nothing() -> None:
    life = closed(running(), [LAST])
    version = life.version
    assert closed(life, ALL_DAYS).version == version


def test_a_loan_is_charged_off_on_the_day_on_which_it_was_too_late() -> None:
    terms = with_terms(charge_off_days=60, late_fee=None)
    in_turn, other = (
        closed(running(product=terms), ALL_DAYS),
        closed(running(product=terms), [LAST]),
    )
    assert brought(other) == brought(in_turn)
    (gone,) = [on for on, event in other.events if isinstance(event, e.ChargedOff)]
    assert gone == date(2026, 4, 2)


def test_an_offer_expires_on_the_day_after_its_last() -> None:
    life = Life().does(c.Apply(applicant_id="cust_2002", amount=Decimal(1200)), PAYOUT)
    life.does(c.MakeOffer(amount=Decimal(1200), valid_until=day(3)), PAYOUT)
    closed(life, [day(40)])
    assert life.events[-1][0] == day(4)
    assert life.last.stored_as == "offer_expired"


def test_what_nobody_closed_for_years_is_booked_in_parts() -> None:
    life = accepted_offer(product=with_terms(instalments=30), instalments=30)
    life.does(c.Disburse(), PAYOUT)
    versions = []
    for _ in range(5):
        versions.append(life.version)
        life.does(s.CloseDay(), date(2036, 6, 1))
    steps = [later - before for before, later in pairwise(versions)]
    assert EVENTS_MAX <= steps[0] < EVENTS_MAX + 5
    assert steps[-1] == 0
    assert len(fees(life)) == 30


@pytest.mark.parametrize(("grace_days", "charged"), [(29, True), (30, False)])
def test_a_late_fee_falls_up_to_the_day_of_the_charge_off(grace_days: int, charged: bool) -> None:
    """So a product whose grace is as long as it takes to charge off has a fee in vain."""
    fee = LateFee(amount=Decimal(10), grace_days=grace_days)
    life = closed(running(product=with_terms(late_fee=fee, charge_off_days=30)), ALL_DAYS)
    assert [on for on, _ in fees(life)] == ([date(2026, 3, 3)] if charged else [])
    assert life.loan.charge_off is not None


def test_boarded_arrears_with_a_penalty_are_charged_no_second_late_fee() -> None:
    penalties = (Decimal(25), None)
    arrears = tuple(
        s.Arrears(due_on=day(-n), principal=Decimal(90), penalties=one)
        for n, one in zip((60, 30), penalties, strict=True)
    )
    board = s.Board(
        product="personal-loan",
        principal=Decimal(1010),
        paid_through=PAYOUT,
        instalments=10,
        arrears=arrears,
    )
    life = accepted_offer().does(board, PAYOUT).does(s.CloseDay(), day(1))
    assert fees(life) == [(PAYOUT, day(-30))]
