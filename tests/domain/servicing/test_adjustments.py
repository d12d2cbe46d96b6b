"""Adjustments of charges: each names the charge that it corrects, and is no more than is left of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from lending.domain.application.refusals import Refusal, Refused
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.terms import AllocationStep, PaymentKind, PaymentRule
from lending.domain.servicing import commands as s
from lending.domain.servicing.statement import statement
from tests.domain.servicing.lives import PAYOUT, Life, day, running, with_terms

FEB, MAR = date(2026, 2, 1), date(2026, 3, 1)
ADJUST = s.Repay(amount=Decimal(5), kind=PaymentKind.CHARGE_ADJUSTMENT, charge=6)
CHARGES = s.ChargeKind


def charged(kind: s.ChargeKind = CHARGES.FEE) -> Life:
    """A loan with a charge of 30, version 6."""
    return running().does(s.AssessCharge(kind=kind, amount=Decimal(30)), day(5))


def test_a_charge_that_became_principal_is_not_waived_in_silence() -> None:
    life = charged().does(s.Capitalise(), day(40))
    assert life.refuses(s.WaiveCharge(version=6), day(40)) is Refusal.ABOVE_WHAT_IS_UNPAID


@pytest.mark.parametrize(
    ("restructure", "due_on"),
    [
        (s.ReAge(first_due_on=date(2026, 3, 20), instalments=3), date(2026, 3, 20)),
        (s.ReAmortise(), date(2026, 3, 1)),
    ],
)
def test_what_is_unpaid_of_a_charge_stays_a_charge_under_new_terms(
    restructure: s.ReAge | s.ReAmortise, due_on: date
) -> None:
    """It is due with the instalment that takes it over, and can be waived as before."""
    life = charged().does(s.Repay(amount=Decimal(10)), day(6)).does(restructure, day(40))
    fell_due = statement(life.loan, PAYOUT, date(2026, 4, 1)).fell_due
    assert [(one.due, one.owed.fees, one.unpaid) for one in fell_due if one.version] == [
        (day(5), Decimal("10.00"), Decimal("0.00")),
        (due_on, Decimal("20.00"), Decimal("20.00")),
    ]
    assert {one.owed.fees for one in fell_due if one.number} == {Decimal(0)}
    life.does(s.WaiveCharge(version=6), day(41))
    assert life.last.booking.fees == Decimal("20.00")
    assert sum(one.outstanding for one in life.book().charges) == 0


def test_what_is_unpaid_of_the_charge_is_paid_before_what_is_owed_longer() -> None:
    """Its own rule would have paid the instalment that is past due first."""
    life = charged().does(s.AssessCharge(kind=CHARGES.FEE, amount=Decimal(7)), day(40))
    life.does(replace(ADJUST, charge=7), MAR)
    charges = {one.entry: one.outstanding for one in life.book().charges}
    assert charges == {6: Decimal("30.00"), 7: Decimal("2.00")}
    (moved,) = statement(life.loan, MAR, MAR).movements
    assert (moved.kind, moved.charge, moved.allocation.sums.fees) == (
        "charge_adjustment", 7, Decimal("5.00"),
    )  # fmt: skip


def test_what_was_paid_of_the_charge_pays_other_things_by_the_rule_of_its_kind() -> None:
    principal = PaymentRule(
        kind=PaymentKind.CHARGE_ADJUSTMENT, order=(AllocationStep.IN_ADVANCE_PRINCIPAL,)
    )
    life = running(product=with_terms(payment_rules=(principal,)))
    life.does(s.AssessCharge(kind=CHARGES.FEE, amount=Decimal(30)), day(5))
    life.does(s.Repay(amount=Decimal(20)), day(6))
    life.does(replace(ADJUST, amount=Decimal(25)), day(7))
    booking = life.last.booking
    assert (booking.fees, booking.principal) == (Decimal("10.00"), Decimal("15.00"))


@pytest.mark.parametrize(
    ("kind", "income"),
    [
        (CHARGES.FEE, LedgerAccount.FEE_INCOME),
        (CHARGES.PENALTY, LedgerAccount.PENALTY_INCOME),
    ],
)
def test_the_income_of_the_charge_is_taken_back(kind: s.ChargeKind, income: LedgerAccount) -> None:
    life = charged(kind).does(replace(ADJUST, amount=Decimal(30)), day(6))
    assert {line.account: line.amount for line in life.last.booking.postings}[income] == 30
    assert not life.loan.accounts.get(income)
    assert not life.book().charges[0].outstanding


def test_no_more_than_is_left_of_the_charge_is_adjusted() -> None:
    life = charged().does(s.WaiveCharge(version=6, amount=Decimal(10)), day(6))
    life.does(replace(ADJUST, amount=Decimal(15)), day(7))
    refused = life.answer(replace(ADJUST, amount=Decimal("5.01")), day(8))
    assert refused == Refused(Refusal.ABOVE_THE_CHARGE, "5.00 USD are left of it")
    life.does(s.Reverse(version=8, reason=s.ReversalReason.MISTAKE), day(8))
    life.does(replace(ADJUST, amount=Decimal(20)), day(8))


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (replace(ADJUST, charge=None), Refusal.KIND_NOT_ALLOWED),
        (replace(ADJUST, kind=PaymentKind.INSTALMENT), Refusal.KIND_NOT_ALLOWED),
        (replace(ADJUST, charge=5), Refusal.NOT_A_CHARGE),
        (replace(ADJUST, charge=99), Refusal.TRANSACTION_UNKNOWN),
    ],
)
def test_an_adjustment_is_of_a_charge(command: s.Repay, refusal: Refusal) -> None:
    assert charged().refuses(command, day(6)) is refusal


def test_a_charge_is_adjusted_from_its_day_on() -> None:
    assert charged().refuses(ADJUST, day(4)) is Refusal.BEFORE_THE_TRANSACTION


def test_a_charge_that_was_adjusted_is_reversed_after_its_adjustments() -> None:
    life, reverse = (
        charged().does(ADJUST, day(6)),
        s.Reverse(version=6, reason=s.ReversalReason.MISTAKE),
    )
    assert life.refuses(reverse, day(7)) is Refusal.TRANSACTION_IN_USE
    life.does(replace(reverse, version=7), day(7)).does(reverse, day(7))
    assert life.refuses(ADJUST, day(8)) is Refusal.TRANSACTION_REVERSED


def test_an_adjustment_of_a_late_fee_makes_no_instalment_less_late() -> None:
    """Late fees are computed as if there were none, hence without what adjusts one."""
    life = running().does(s.CloseDay(), date(2026, 2, 28))
    fee = next(number for number in life.loan.late_fees)
    life.does(replace(ADJUST, amount=Decimal(25), charge=fee), MAR)
    life.does(s.Repay(amount=Decimal("188.24")), MAR).does(s.CloseDay(), date(2026, 3, 31))
    assert sorted(life.loan.late_fees.values()) == [FEB, MAR]
    assert life.loan.funded_on == PAYOUT


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        ("-5", Refusal.AMOUNT_NOT_POSITIVE),
        ("0", Refusal.AMOUNT_NOT_POSITIVE),
        ("0.001", Refusal.AMOUNT_TOO_FINE),
        ("99.00", Refusal.ABOVE_WHAT_IS_UNPAID),
    ],
)
def test_a_wrong_amount_is_refused_though_nothing_is_unpaid_of_the_charge(
    amount: str, refusal: Refusal
) -> None:
    life = charged().does(s.WaiveCharge(version=6), day(6))
    assert life.refuses(s.WaiveCharge(version=6, amount=Decimal(amount)), day(7)) is refusal


def test_only_what_was_waived_before_is_waived_already() -> None:
    life = charged().does(s.WaiveCharge(version=6, amount=Decimal(30)), day(6))
    assert life.answer(s.WaiveCharge(version=6), day(7)) == []
    assert life.answer(s.WaiveCharge(version=6, amount=Decimal("30.00")), day(7)) == []
    less = s.WaiveCharge(version=6, amount=Decimal(10))
    assert life.refuses(less, day(7)) is Refusal.ABOVE_WHAT_IS_UNPAID


def test_a_charge_is_waived_on_a_day_on_which_it_was_unpaid_though_it_has_been_paid_since() -> None:
    life = charged().does(s.Repay(amount=Decimal(30)), day(10))
    life.does(s.WaiveCharge(version=6), day(7))
    assert life.last.booking.fees == Decimal("30.00")
    assert [(one.version, one.fees) for one in life.last.booking.reallocated] == [
        (7, Decimal("-30.00"))
    ]
    assert life.refuses(s.WaiveCharge(version=6), day(4)) is Refusal.BEFORE_THE_TRANSACTION
