"""What is done to a loan in mid-life, and what its book says then."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from lending.domain.loan import entries as e
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.engine import payoff, replay
from lending.domain.loan.entries import Ending, Entry
from lending.domain.loan.terms import (
    AllocationStep,
    Component,
    CreditBalance,
    InterestBasis,
    InterestGrace,
    PaymentKind,
    PaymentRule,
    Prepayment,
    Processing,
)
from tests.domain.loan.loans import (
    ACCRUING,
    APPLYING,
    FUNDED,
    SIMPLE,
    TERMS,
    THOUSAND,
    after,
    entered,
    paid,
    ruled,
)


def test_late_principal_bears_interest_where_it_is_outstanding() -> None:
    """31 days on 1,000.00, then 29 days on 1,000.00 still: nothing was paid."""
    book = after(SIMPLE, on=date(2024, 3, 1))
    assert [one.owed.interest for one in book.instalments[:2]] == [
        Decimal("10.19"),
        Decimal("9.53"),
    ]


def test_after_the_last_due_date_interest_stops_or_accrues_day_by_day() -> None:
    """1,000.00 and 31 days' interest fell due on 1 February; 10 days more are 3.29."""
    on = date(2024, 2, 11)
    stopped = after(replace(SIMPLE, instalments=1), on=on)
    accrued = after(ACCRUING, on=on)
    assert [book.outstanding for book in (stopped, accrued)] == [
        Decimal("1010.19"),
        Decimal("1013.48"),
    ]
    assert accrued.overdue == accrued.outstanding


def test_interest_after_maturity_is_on_what_is_left_unpaid_and_rounded_once() -> None:
    """10 days on 1,000.00, 10 on 400.00: 4.6027, whenever the book is looked at."""
    paying = paid(date(2024, 2, 11), "613.48")
    book = after(ACCRUING, paying, on=date(2024, 2, 21))
    assert book.instalments[0].owed.interest == Decimal("10.19") + Decimal("4.60")
    assert book.principal == 400
    assert book.outstanding == Decimal("401.31")


def test_what_is_owed_again_after_maturity_bears_interest_from_then_on() -> None:
    """500.00 charged back after all was paid: nothing for the days before, 10 days after."""
    back = (date(2024, 3, 1), e.ChargedBack(of=2, amount=Decimal("500.00")))
    terms = replace(ACCRUING, charge_back_order=tuple(reversed(Component)))
    book = after(terms, paid(date(2024, 2, 1), "1010.19"), back, on=date(2024, 3, 11))
    assert book.outstanding == Decimal("501.64")
    cleared = Entry(4, date(2024, 3, 11), e.Paid(amount=Decimal("501.64")))
    entries = entered(paid(date(2024, 2, 1), "1010.19"), back)
    assert replay(terms, [*entries, cleared], date(2024, 4, 1)).outstanding == 0


def test_what_is_paid_early_saves_interest_where_it_is_outstanding() -> None:
    """16 days on 1,000.00 and 15 on 500.00."""
    terms = replace(SIMPLE, payment_rules=(PaymentRule(prepayment=Prepayment.KEEP_INSTALMENT),))
    book = after(terms, paid(date(2024, 1, 17), "500.00"))
    assert book.instalments[0].owed.interest == Decimal("7.73")


def test_keeping_the_instalment_shortens_the_term() -> None:
    book = after(ruled(Prepayment.KEEP_INSTALMENT), paid(date(2024, 1, 1), "500.00"))
    assert len(book.instalments) == 6
    assert book.instalments[0].owed.total == Decimal("88.85")


def test_keeping_the_term_lowers_the_instalment() -> None:
    book = after(ruled(Prepayment.KEEP_TERM), paid(date(2024, 1, 1), "500.00"))
    assert len(book.instalments) == 12
    assert book.instalments[0].owed.total == Decimal("44.42")


def test_by_step_a_component_is_paid_everywhere_before_the_next() -> None:
    interest_first = PaymentRule(
        order=(AllocationStep.PAST_DUE_INTEREST, AllocationStep.PAST_DUE_PRINCIPAL),
        processing=Processing.BY_STEP,
    )
    terms = replace(TERMS, payment_rules=(interest_first,))
    book = after(terms, paid(date(2024, 3, 2), "20.00"))
    assert [one.paid.interest for one in book.instalments[:2]] == [
        Decimal("10.00"),
        Decimal("9.21"),
    ]
    assert book.instalments[0].paid.principal == Decimal("0.79")


def test_money_that_no_step_takes_is_a_credit_balance() -> None:
    only_due = PaymentRule(order=(AllocationStep.DUE_INTEREST, AllocationStep.DUE_PRINCIPAL))
    book = after(replace(TERMS, payment_rules=(only_due,)), paid(date(2024, 2, 1), "100.00"))
    assert book.credit == Decimal("11.15")


def test_a_credit_balance_that_is_applied_pays_what_falls_due() -> None:
    """88.85 a month; of 200.00 paid on the first due date, 111.15 are left over."""
    entries = entered(paid(date(2024, 2, 1), "200.00"))
    at_once, later, last = (replay(APPLYING, entries, date(2024, month, 1)) for month in (2, 3, 4))
    assert [book.credit for book in (at_once, later, last)] == [
        Decimal("111.15"),
        Decimal("22.30"),
        Decimal("0.00"),
    ]
    assert later.instalments[1].met_on == date(2024, 3, 1)
    did = last.allocations[2]
    assert did.sums.total == 200
    assert did.credit == 0
    assert {portion.due for portion in did.portions} == {one.due for one in last.instalments[:3]}


def test_a_credit_balance_that_is_held_stays() -> None:
    held = replace(APPLYING, credit_balance=CreditBalance.HELD)
    book = after(held, paid(date(2024, 2, 1), "200.00"), on=date(2024, 6, 1))
    assert book.credit == Decimal("111.15")
    assert book.overdue == 3 * Decimal("88.85")


def test_the_oldest_credit_is_applied_or_refunded_first() -> None:
    prepaid = [
        paid(date(2024, 1, 10 + n), amount, PaymentKind.PREPAYMENT)
        for n, amount in enumerate(("50.00", "100.00"))
    ]
    refund = (date(2024, 1, 15), e.CreditRefunded(amount=Decimal("20.00")))
    book = after(APPLYING, *prepaid, refund, on=date(2024, 2, 1))
    assert [book.allocations[n].sums.total for n in (2, 3)] == [Decimal("30.00"), Decimal("58.85")]
    assert book.credit == Decimal("41.15")


def test_forgiven_principal_is_not_asked_for() -> None:
    book = after(TERMS, (date(2024, 1, 1), e.Forgiven(amount=Decimal("900.00"))))
    assert book.principal == 100


@pytest.mark.parametrize("how", Ending)
def test_an_end_leaves_nothing_to_pay(how: Ending) -> None:
    book = after(TERMS, paid(date(2024, 2, 1), "88.85"), (date(2024, 2, 10), e.Ended(how=how)))
    assert book.outstanding == book.principal == 0
    assert book.status == LoanStatus(how.value)
    assert book.allocations[3].sums.principal == Decimal("921.15")


def test_what_is_recovered_later_is_no_credit() -> None:
    book = after(
        TERMS,
        (date(2024, 2, 10), e.Ended(how=Ending.WRITTEN_OFF)),
        paid(date(2024, 5, 1), "50.00", PaymentKind.RECOVERY),
    )
    assert book.allocations[3].recovered == 50
    assert book.credit == 0


def test_a_payoff_pays_interest_to_its_day_and_no_more() -> None:
    """14 of 29 days of February on 921.15 at 1% a month."""
    entries = entered(paid(date(2024, 2, 1), "88.85"))
    on = date(2024, 2, 15)
    quoted = payoff(TERMS, entries, on)
    assert (quoted.principal, quoted.interest) == (Decimal("921.15"), Decimal("4.45"))
    paying = Entry(3, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    book = replay(TERMS, [*entries, paying], on)
    assert book.status is LoanStatus.PAID_OFF
    assert book.outstanding == book.credit == 0


def test_a_payoff_of_nothing_still_ends_interest_to_come() -> None:
    """All principal was paid ahead, before its interest; of what was precomputed none is earned."""
    steps = sorted(AllocationStep, key=lambda step: step.component is not Component.PRINCIPAL)
    rule = PaymentRule(order=tuple(steps), processing=Processing.BY_STEP)
    terms = replace(TERMS, payment_rules=(rule,))
    entries = entered(paid(FUNDED, "1000.00"))
    before = replay(terms, entries, FUNDED)
    assert before.principal == 0 < before.outstanding
    assert payoff(terms, entries, FUNDED).total == 0
    paying = Entry(3, FUNDED, e.Paid(amount=Decimal("0.00"), kind=PaymentKind.PAYOFF))
    assert replay(terms, [*entries, paying], FUNDED).status is LoanStatus.PAID_OFF


def test_interest_in_grace_that_a_payoff_ended_becomes_no_principal() -> None:
    terms = replace(TERMS, interest_grace=2, interest_grace_as=InterestGrace.CAPITALISED)
    looked_at = (FUNDED, e.ChargedOff())
    paying = paid(FUNDED, "1000.00", PaymentKind.PAYOFF)
    book = after(terms, looked_at, paying, on=date(2024, 4, 1))
    assert book.principal == book.capitalised_in_grace == book.outstanding == 0


def test_what_is_lent_after_an_end_is_owed_at_once_and_can_be_paid_off() -> None:
    entries = entered(
        (date(2024, 2, 10), e.Ended(how=Ending.WRITTEN_OFF)),
        (date(2024, 3, 1), e.Disbursed(amount=Decimal("50.00"))),
    )
    on = date(2024, 3, 1)
    assert replay(TERMS, entries, on).principal == payoff(TERMS, entries, on).total == 50
    paying = Entry(4, on, e.Paid(amount=Decimal("50.00"), kind=PaymentKind.PAYOFF))
    assert replay(TERMS, [*entries, paying], on).outstanding == 0


def test_a_waived_charge_is_not_asked_for() -> None:
    charge = e.ChargeAssessed(
        component=Component.FEE, amount=Decimal("25.00"), due_on=date(2024, 1, 20)
    )
    book = after(
        TERMS,
        (date(2024, 1, 20), charge),
        (date(2024, 1, 21), e.ChargeWaived(of=2, amount=Decimal("25.00"))),
    )
    assert book.charges[0].outstanding == 0
    assert book.instalments[0].outstanding == Decimal("88.85")


def test_a_boarded_loan_goes_on_from_where_it_was() -> None:
    boarded = e.Boarded(
        principal=Decimal("900.00"),
        paid_through=date(2024, 5, 1),
        overdue=(
            e.Arrears(
                due_on=date(2024, 5, 1), principal=Decimal("80.00"), interest=Decimal("9.00")
            ),
        ),
    )
    book = replay(TERMS, [Entry(1, date(2024, 5, 10), boarded)], date(2024, 5, 10))
    assert book.principal == 980
    assert book.overdue == 89
    assert book.instalments[1].owed.interest == 9
    assert book.instalments[1].due == date(2024, 6, 1)


def test_a_back_dated_payment_takes_its_place_by_its_date() -> None:
    late = entered(paid(date(2024, 2, 10), "88.85"), paid(date(2024, 2, 1), "88.85"))
    book = replay(TERMS, late, date(2024, 2, 10))
    assert book.instalments[0].met_on == date(2024, 2, 1)
    assert book.instalments[1].paid_in_advance == Decimal("88.85")


def test_a_reversed_payment_never_was() -> None:
    book = after(TERMS, paid(date(2024, 2, 1), "88.85"), (date(2024, 2, 5), e.Reversed(of=2)))
    assert 2 not in book.allocations
    assert book.overdue == Decimal("88.85")


def test_a_down_payment_in_mid_period_leaves_its_interest_running() -> None:
    """15 of 31 days on 750.00, 16 on 825.00: both advances less their down payments."""
    terms = replace(TERMS, down_payment_percent=Decimal(25))
    book = after(terms, (date(2024, 1, 16), e.Disbursed(amount=Decimal("100.00"))))
    assert [one.owed.principal for one in book.instalments[:2]] == [250, 25]
    assert book.instalments[2].owed.interest == Decimal("7.89")


@pytest.mark.parametrize("basis", InterestBasis)
@pytest.mark.parametrize("prepayment", [Prepayment.LAST, Prepayment.NEXT])
def test_what_is_owed_again_of_a_loan_paid_ahead_is_paid_once(
    basis: InterestBasis, prepayment: Prepayment
) -> None:
    free = replace(
        TERMS,
        rate_percent=Decimal(0),
        instalments=3,
        interest_basis=basis,
        payment_rules=(PaymentRule(prepayment=prepayment),),
    )
    book = after(
        free,
        (date(2024, 1, 10), e.Paid(amount=THOUSAND)),
        (date(2024, 3, 10), e.CreditRefunded(amount=Decimal("0.01"))),
        (date(2024, 3, 20), e.Paid(amount=Decimal("250.00"))),
    )
    assert (book.principal, book.credit) == (Decimal(0), Decimal("249.99"))
    assert all(one.outstanding == 0 for one in book.instalments)


@pytest.mark.parametrize("becomes", InterestGrace)
def test_who_pays_what_is_quoted_owes_nothing_whatever_became_of_interest_in_grace(
    becomes: InterestGrace,
) -> None:
    terms = replace(TERMS, instalments=3, interest_grace=1, interest_grace_as=becomes)
    on = date(2024, 2, 20)
    entries = entered()
    quoted = payoff(terms, entries, on)
    paid = Entry(2, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    assert replay(terms, [*entries, paid], on).status is LoanStatus.PAID_OFF
