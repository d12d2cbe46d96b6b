"""Fees at funding and for being late."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from lending.domain.loan import entries as e
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.engine import fold, payoff, replay
from lending.domain.loan.entries import Entry
from lending.domain.loan.fees import LateFeeDue, funding, late_fees
from lending.domain.loan.journal import LedgerAccount as Account
from lending.domain.loan.position import position
from lending.domain.loan.terms import (
    AllocationStep,
    Component,
    FeeTreatment,
    InstalmentFee,
    LateFee,
    LateFeeBase,
    OriginationFee,
    PaymentKind,
    PaymentRule,
    Terms,
)

TERMS = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
FUNDED = Entry(1, date(2024, 1, 1), e.Disbursed(amount=Decimal("1000.00")))
FEE = LateFee(amount=Decimal("25.00"), grace_days=15)


def paid(number: int, on: date, amount: str) -> Entry:
    return Entry(number, on, e.Paid(amount=Decimal(amount)))


def test_a_fee_withheld_lowers_what_is_paid_out() -> None:
    fee = OriginationFee(percent=Decimal("1.5"), amount=Decimal("10.00"))
    found = funding(replace(TERMS, origination_fee=fee), Decimal("1000.00"))
    assert found == (Decimal("1000.00"), Decimal("25.00"), Decimal("975.00"))


def test_a_fee_added_is_lent() -> None:
    fee = OriginationFee(percent=Decimal("1.5"), treatment=FeeTreatment.ADDED)
    found = funding(replace(TERMS, origination_fee=fee), Decimal("1000.00"))
    assert found == (Decimal("1015.00"), Decimal("15.00"), Decimal("1000.00"))


def test_without_a_fee_all_is_paid_out() -> None:
    assert funding(TERMS, Decimal("1000.00")).paid_out == 1000


def test_a_late_fee_is_due_once_grace_has_passed() -> None:
    terms = replace(TERMS, late_fee=FEE)
    assert late_fees(terms, [FUNDED], date(2024, 2, 16)) == ()
    due = (LateFeeDue(date(2024, 2, 1), Decimal("25.00")),)
    assert late_fees(terms, [FUNDED], date(2024, 2, 17)) == due
    again = late_fees(terms, [FUNDED], date(2024, 2, 18), charged_for=[date(2024, 2, 1)])
    assert again == ()


def test_no_late_fee_for_a_shortfall_that_an_earlier_late_fee_caused() -> None:
    """The second instalment is paid when due; the money went to the late fee first."""
    terms = replace(TERMS, late_fee=FEE)
    assessed = e.ChargeAssessed(
        component=Component.PENALTY, amount=Decimal("25.00"), due_on=date(2024, 2, 17)
    )
    entries = [
        FUNDED,
        Entry(2, date(2024, 2, 17), assessed),
        paid(3, date(2024, 2, 20), "88.85"),
        paid(4, date(2024, 3, 1), "88.85"),
    ]
    february = [date(2024, 2, 1)]
    on = date(2024, 3, 25)
    naive = late_fees(terms, entries, on, charged_for=february)
    assert naive == (LateFeeDue(date(2024, 3, 1), Decimal("25.00")),)
    assert late_fees(terms, entries, on, assessed=[2], charged_for=february) == ()


def test_a_percentage_has_a_base_and_a_maximum() -> None:
    percent = LateFee(percent=Decimal(5), grace_days=0)
    entries = [FUNDED, paid(2, date(2024, 2, 1), "48.85")]
    on = date(2024, 2, 2)
    assert late_fees(replace(TERMS, late_fee=percent), entries, on)[0].amount == Decimal("2.00")
    whole = replace(percent, base=LateFeeBase.INSTALMENT)
    assert late_fees(replace(TERMS, late_fee=whole), entries, on)[0].amount == Decimal("4.44")
    capped = replace(whole, maximum=Decimal("3.00"))
    assert late_fees(replace(TERMS, late_fee=capped), entries, on)[0].amount == Decimal("3.00")


def test_a_shortfall_below_the_least_costs_nothing() -> None:
    forgiving = replace(TERMS, late_fee=replace(FEE, shortfall_min=Decimal("1.00")))
    on = date(2024, 2, 25)
    short = {"87.86": 0, "87.85": 1}
    for amount, fees in short.items():
        entries = [FUNDED, paid(2, date(2024, 2, 1), amount)]
        assert len(late_fees(forgiving, entries, on)) == fees, amount
        assert len(late_fees(replace(TERMS, late_fee=FEE), entries, on)) == 1


def test_a_payoff_asks_for_no_fee_of_instalments_to_come_and_nothing_stays_receivable() -> None:
    terms = replace(TERMS, instalment_fee=InstalmentFee(amount=Decimal("2.50")))
    on = date(2024, 3, 15)
    quoted = payoff(terms, [FUNDED], on)
    assert quoted.fees == Decimal("5.00")
    entries = [FUNDED, Entry(2, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))]
    book = replay(terms, entries, on)
    assert book.status is LoanStatus.PAID_OFF
    assert book.owed.fees == Decimal("5.00")
    accounts = position(terms, entries, on, fold(terms, entries, on))
    assert set(accounts) == {Account.CASH, Account.INTEREST_INCOME, Account.FEE_INCOME}


STEPS = tuple(AllocationStep)


@pytest.mark.parametrize(
    "order",
    [
        (),
        STEPS[:8],
        (AllocationStep.IN_ADVANCE_FEE, *(step for step in STEPS if step != "in_advance_fee")),
    ],
)
def test_a_payoff_leaves_nothing_out_whatever_the_order_of_other_payments(
    order: tuple[AllocationStep, ...],
) -> None:
    fee, rules = InstalmentFee(amount=Decimal("2.00")), (PaymentRule(order=order),)
    terms = replace(TERMS, instalment_fee=fee, payment_rules=rules)
    on = date(2024, 1, 11)
    quoted = payoff(terms, [FUNDED], on).total
    entries = [FUNDED, Entry(2, on, e.Paid(amount=quoted, kind=PaymentKind.PAYOFF))]
    assert replay(terms, entries, on).status is LoanStatus.PAID_OFF


def test_instalments_paid_ahead_are_earned_once_nothing_is_owed() -> None:
    """The default pays instalments to come, with their interest."""
    terms = replace(TERMS, instalment_fee=InstalmentFee(amount=Decimal("2.50")))
    on = FUNDED.on
    owed = replay(terms, [FUNDED], on).outstanding
    paid_ahead = [FUNDED, paid(2, on, str(owed))]
    accounts = position(terms, paid_ahead, on, fold(terms, paid_ahead, on))
    assert accounts[Account.FEE_INCOME] == Decimal("-30.00")
    assert set(accounts) == {Account.CASH, Account.INTEREST_INCOME, Account.FEE_INCOME}
