"""The term that was decided on binds what is offered, whatever the periods of the product are."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.application import commands as c
from lending.domain.application.offers import months_of
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Status
from lending.domain.calendar import PeriodUnit
from tests.domain.servicing.lives import PAYOUT, Life, with_terms

U = PeriodUnit


def approved_for(months: int | None, **terms: Any) -> Life:
    life = Life(product=with_terms(**terms))
    life.does(c.Apply(applicant_id="cust_2002", amount=Decimal(1200), term_months=months), PAYOUT)
    return life.does(c.Decide(outcome=c.Outcome.APPROVED), PAYOUT)


def offer(instalments: int, amount: int = 1200, **said: Any) -> c.MakeOffer:
    return c.MakeOffer(
        amount=Decimal(amount), product="personal-loan", instalments=instalments, **said
    )


@pytest.mark.parametrize(
    ("period", "every", "instalments", "months"),
    [
        (U.WEEKS, 1, 52, 12),
        (U.WEEKS, 1, 53, 13),
        (U.FORTNIGHTS, 1, 26, 12),
        (U.FORTNIGHTS, 1, 27, 13),
        (U.DAYS, 1, 31, 1),
        (U.DAYS, 1, 32, 2),
        (U.DAYS, 365, 1, 12),
        (U.DAYS, 1, 1, 1),
        (U.MONTHS, 3, 4, 12),
        (U.YEARS, 1, 2, 24),
    ],
)
def test_a_term_is_the_months_within_which_the_last_period_ends(
    period: PeriodUnit, every: int, instalments: int, months: int
) -> None:
    life = approved_for(months, period=period, every=every)
    life.does(offer(instalments), PAYOUT)
    assert life.last.term_months == months
    other = approved_for(months + 1, period=period, every=every)
    assert other.refuses(offer(instalments), PAYOUT) is Refusal.OFFER_NOT_COVERED


def test_a_shorter_month_is_a_month() -> None:
    weekly = with_terms(period=U.WEEKS, instalments=4).product.terms
    assert months_of(weekly, date(2026, 1, 31)) == 1
    assert months_of(weekly, date(2026, 2, 1)) == 1


def test_an_offer_made_before_the_decision_is_covered_by_its_term_too() -> None:
    life = Life(product=with_terms(period=U.WEEKS))
    life.does(c.Apply(applicant_id="cust_2002", amount=Decimal(1200), term_months=6), PAYOUT)
    life.does(offer(52), PAYOUT).does(c.AcceptOffer(offer_id="1"), PAYOUT)
    life.does(c.Decide(outcome=c.Outcome.APPROVED), PAYOUT)
    assert life.state.status is Status.APPROVED
    assert life.refuses(c.Disburse(), PAYOUT) is Refusal.OFFER_NOT_COVERED


def test_months_and_instalments_say_the_same_or_are_refused() -> None:
    life = approved_for(None, period=U.WEEKS)
    assert life.refuses(offer(52, term_months=11), PAYOUT) is Refusal.TERMS_NOT_POSSIBLE
    life.does(offer(52, term_months=12), PAYOUT)


def test_the_refusal_of_a_term_speaks_of_the_term_and_that_of_an_amount_of_the_amount() -> None:
    life = approved_for(12)
    assert life.answer(offer(13), PAYOUT) == Refused(
        Refusal.OFFER_NOT_COVERED, "the term decided on is 12 months, the offer's 13"
    )
    assert life.answer(offer(12, amount=1201), PAYOUT) == Refused(
        Refusal.OFFER_NOT_COVERED, "the decision is for at most 1200.00 USD"
    )
