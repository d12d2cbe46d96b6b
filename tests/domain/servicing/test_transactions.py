"""What happens to a loan, transaction by transaction: what is owed, where each cent went, and what the
journal says.
"""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Status
from lending.domain.loan.entries import Disbursed
from lending.domain.loan.journal import LedgerAccount as A
from lending.domain.loan.terms import (
    DownPaymentMode,
    FeeTreatment,
    OriginationFee,
    PaymentKind,
    PaymentRule,
    Processing,
)
from lending.domain.servicing import commands as s
from lending.domain.servicing import events as e
from lending.domain.servicing.statement import statement
from tests.domain.servicing.lives import (
    PAYOUT,
    Life,
    accepted_offer,
    amounts,
    day,
    posted,
    running,
    status_of,
    with_terms,
)

FEB, MAR, APR = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)
NEW = UUID("019c1111-2222-7000-8333-444455556666")
D = Decimal


# fund


def test_an_offer_freezes_the_terms_and_discloses_what_they_come_to() -> None:
    offer = accepted_offer().state.accepted_offer
    assert offer is not None
    assert offer.terms is not None
    assert offer.terms.instalments == 12
    assert offer.term_months == 12
    disclosed = offer.disclosed
    assert disclosed is not None
    assert disclosed.amount_financed == D("1200.00")
    assert disclosed.total_of_payments == D("1279.42")
    assert disclosed.finance_charge == D("79.42")
    assert [(run.count, str(run.amount)) for run in disclosed.payments] == [
        (11, "106.62"),
        (1, "106.60"),
    ]
    assert disclosed.apr_percent is not None
    assert abs(disclosed.apr_percent - 12) < D("0.01")


def test_a_disbursement_binds_a_schedule_dated_from_funding() -> None:
    life = running()
    event = life.last
    assert event.schedule.due_on[:2] == (FEB, MAR)
    assert sum(event.schedule.principal) == D("1200.00")
    assert posted(event) == {A.CASH: "-1200.00", A.LOANS_RECEIVABLE: "1200.00"}
    assert status_of(life) is Status.ACTIVE


def test_tranches_share_the_due_dates_of_the_first() -> None:
    life = accepted_offer().does(c.Disburse(amount=D(500)), PAYOUT)
    assert life.state.undisbursed == D("700.00")
    life.does(c.Disburse(), day(40))
    assert life.last.schedule.due_on[0] == FEB
    assert sum(life.last.schedule.principal) == D("1200.00")
    assert life.loan.balance == D("1200.00")
    assert life.state.undisbursed == 0


@pytest.mark.parametrize(
    ("treatment", "principal", "paid_out"),
    [(FeeTreatment.WITHHELD, "1200.00", "1176.00"), (FeeTreatment.ADDED, "1224.00", "1200.00")],
)
def test_an_origination_fee_is_withheld_or_added(
    treatment: FeeTreatment, principal: str, paid_out: str
) -> None:
    fee = OriginationFee(percent=D(2), treatment=treatment)
    event = running(product=with_terms(origination_fee=fee)).last
    assert (str(event.principal), str(event.fee), str(event.paid_out)) == (
        principal,
        "24.00",
        paid_out,
    )
    assert posted(event) == {
        A.CASH: f"-{paid_out}",
        A.LOANS_RECEIVABLE: principal,
        A.FEE_INCOME: "-24.00",
    }
    assert event.disclosed.apr_percent > 15


def test_an_automatic_down_payment_is_booked_with_the_payout() -> None:
    product = with_terms(down_payment_percent=D(25), down_payment_mode=DownPaymentMode.AUTOMATIC)
    life = running(product=product)
    assert isinstance(life.last, e.Repaid)
    assert life.last.kind is PaymentKind.DOWN_PAYMENT
    assert life.last.amount == D("300.00")
    assert life.loan.balance == D("900.00")


def test_a_running_loan_is_taken_over_with_its_arrears() -> None:
    life = accepted_offer()
    arrears = (s.Arrears(due_on=day(-20), principal=D(90), interest=D(10), penalties=D(5)),)
    board = s.Board(
        product="personal-loan",
        principal=D(1000),
        paid_through=PAYOUT,
        instalments=10,
        accrued_interest=D("1.50"),
        arrears=arrears,
    )
    life.does(board, PAYOUT)
    assert life.loan.balance == D("1090.00")
    assert posted(life.last) == {
        A.SUSPENSE: "-1106.50",
        A.LOANS_RECEIVABLE: "1090.00",
        A.INTEREST_RECEIVABLE: "11.50",
        A.PENALTIES_RECEIVABLE: "5.00",
    }
    life.does(s.Repay(amount=D(105)), day(1))
    assert amounts(life.last)[:4] == ("90.00", "10.00", "0.00", "5.00")


def test_a_running_loan_is_taken_over_with_the_instalment_that_was_agreed() -> None:
    board = s.Board(
        product="personal-loan",
        principal=D(1000),
        paid_through=PAYOUT,
        instalments=10,
        instalment_amount=D(105),
    )
    life = accepted_offer().does(board, PAYOUT)
    assert life.last.terms.instalment_amount == D("105.00")
    owed = zip(life.last.schedule.principal, life.last.schedule.interest, strict=True)
    assert [principal + interest for principal, interest in owed][:9] == [D("105.00")] * 9
    assert sum(life.last.schedule.principal) == D("1000.00")


def test_a_loan_paid_out_without_terms_gets_them_from_its_first_day() -> None:
    life = running(product=None)
    assert life.loan.terms is None
    life.product = with_terms()
    life.does(s.SetTerms(product="personal-loan"), day(45))
    assert life.last.schedule.due_on[0] == FEB
    assert life.loan.balance == D("1200.00")
    assert sum(life.loan.accounts.values()) == 0
    life.does(s.Repay(amount=D("106.62")), day(46))
    assert amounts(life.last)[:2] == ("94.62", "12.00")


def test_a_disbursement_that_is_reversed_leaves_an_accepted_offer() -> None:
    life = running().does(s.Reverse(version=5, reason=s.ReversalReason.MISTAKE), day(3))
    assert status_of(life) is Status.ACCEPTED
    life.does(c.Disburse(), day(4))
    assert status_of(life) is Status.ACTIVE
    assert life.loan.funded_on == day(4)


def test_what_is_left_of_a_reversed_disbursement_can_be_reversed_too() -> None:
    life = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D("15.00")), day(2))
    life.does(s.Reverse(version=5, reason=s.ReversalReason.MISTAKE), day(3))
    assert status_of(life) is Status.ACTIVE
    life.does(s.Reverse(version=6, reason=s.ReversalReason.MISTAKE), day(3))
    assert status_of(life) is Status.ACCEPTED
    life.does(c.Disburse(), day(4))
    assert life.loan.funded_on == day(4)


def test_late_fees_are_reversed_before_the_funding_that_they_rest_on() -> None:
    life = running().does(s.CloseDay(), day(60))
    fees = sorted(life.loan.late_fees)
    assert len(fees) == 1
    reverse = s.Reverse(version=5, reason=s.ReversalReason.MISTAKE)
    refused = life.answer(reverse, day(61))
    assert refused == Refused(Refusal.TRANSACTION_IN_USE, f"reverse version {fees[0]} first")
    life.does(replace(reverse, version=fees[0]), day(61)).does(reverse, day(61))
    assert status_of(life) is Status.ACCEPTED


def test_a_charge_that_is_left_of_a_reversed_disbursement_can_be_paid() -> None:
    life = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D("15.00")), day(2))
    life.does(s.Reverse(version=5, reason=s.ReversalReason.MISTAKE), day(3))
    assert life.refuses(s.Repay(amount=D("12000.01")), day(3)) is Refusal.AMOUNT_IMPLAUSIBLE
    life.does(s.Repay(amount=D("15.00")), day(3))
    assert status_of(life) is Status.PAID_OFF


def test_who_is_paid_out_anew_gets_the_due_dates_of_that_day_though_a_fee_is_left() -> None:
    life = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D("15.00")), day(2))
    life.does(s.Reverse(version=5, reason=s.ReversalReason.MISTAKE), day(3))
    life.does(c.Disburse(), day(4))
    assert life.last.disclosed is not None
    (advance,) = [one.act for one in life.loan.counting if isinstance(one.act, Disbursed)]
    assert advance.dues == life.last.schedule.due_on
    assert advance.dues[0] == date(2026, 2, 5)


# pay


def test_a_payment_pays_interest_before_principal_and_posts_what_was_earned() -> None:
    life = running().does(s.Repay(amount=D("106.62"), reference="r1"), FEB)
    assert amounts(life.last) == ("94.62", "12.00", "0.00", "0.00", "0.00", "1105.38")
    assert posted(life.last) == {
        A.CASH: "106.62",
        A.LOANS_RECEIVABLE: "-94.62",
        A.INTEREST_INCOME: "-12.00",
    }


def test_the_oldest_instalment_is_paid_before_a_penalty_that_came_later() -> None:
    """By default: what is overdue longest ends first, and its borrower is late by fewer days."""
    life = running().does(s.AssessCharge(kind=s.ChargeKind.PENALTY, amount=D(25)), day(50))
    life.does(s.Repay(amount=D("106.62")), day(70))
    assert amounts(life.last) == ("94.62", "12.00", "0.00", "0.00", "0.00", "1105.38")


def test_penalties_are_paid_first_where_the_product_goes_by_step() -> None:
    rule = PaymentRule(processing=Processing.BY_STEP)
    life = running(product=with_terms(payment_rules=(rule,)))
    life.does(s.AssessCharge(kind=s.ChargeKind.PENALTY, amount=D(25)), day(50))
    life.does(s.Repay(amount=D("106.62")), day(70))
    assert amounts(life.last) == ("58.57", "23.05", "0.00", "25.00", "0.00", "1141.43")


def test_a_surplus_is_a_credit_balance_that_can_be_paid_back() -> None:
    life = running().does(s.Repay(amount=D(2000)), FEB)
    assert status_of(life) is Status.OVERPAID
    credit = life.loan.credit
    assert credit > 0
    life.does(s.RefundCredit(), day(40))
    assert status_of(life) is Status.PAID_OFF
    assert life.loan.credit == 0
    assert life.last.amount == credit


def test_a_payoff_leaves_nothing() -> None:
    life = running().does(s.Repay(amount=D("1210.50"), kind=PaymentKind.PAYOFF), day(27))
    assert life.loan.balance == 0
    assert life.state.status in (Status.PAID_OFF, Status.OVERPAID)


def test_a_backdated_payment_reports_every_changed_allocation() -> None:
    life = running().does(s.Repay(amount=D("106.62"), reference="march"), MAR)
    life.does(s.Repay(amount=D("106.62"), reference="february"), FEB)
    changed = life.last.booking.reallocated
    assert [one.version for one in changed] == [6]
    assert changed[0].principal == D("0.95")
    assert changed[0].interest == D("-0.95")
    assert life.loan.balance == D("1009.81")


def test_a_reversal_takes_the_payment_out_as_if_it_had_never_been() -> None:
    life = running().does(s.Repay(amount=D("106.62"), reference="r1"), FEB)
    before = life.book(MAR)
    life.does(s.Repay(amount=D("106.62"), reference="r2"), MAR)
    life.does(s.Reverse(version=7, reason=s.ReversalReason.RETURNED_UNPAID), day(62))
    assert isinstance(life.last, e.RepaymentReversed)
    after = life.book(MAR)
    assert (after.principal, after.instalments) == (before.principal, before.instalments)
    life.does(s.Repay(amount=D("106.62"), reference="r2"), day(63))  # the reference is free again


def test_a_charge_back_is_owed_again_from_its_day() -> None:
    life = running().does(s.Repay(amount=D("106.62")), FEB)
    life.does(s.ChargeBack(version=6, amount=D(50)), day(40))
    assert life.loan.balance == D("1143.38")
    assert posted(life.last)[A.CASH] == "-50.00"


# charge


def test_a_late_fee_is_charged_once_and_never_for_a_late_fee() -> None:
    life = running().does(s.CloseDay(), date(2026, 2, 7))
    fees = [event for _, event in life.events if isinstance(event, e.ChargeAssessed)]
    assert [(str(fee.amount), fee.late_for) for fee in fees] == [("25.00", FEB)]
    version = life.version
    life.does(s.CloseDay(), date(2026, 2, 7))
    assert life.version == version
    life.does(s.Repay(amount=D("106.62")), date(2026, 2, 8))  # all that was due but the fee
    life.does(s.Repay(amount=D("106.62")), MAR)
    life.does(s.CloseDay(), date(2026, 3, 20))
    fees = [event for _, event in life.events if isinstance(event, e.ChargeAssessed)]
    assert len(fees) == 1


def test_interest_goes_into_the_journal_at_the_end_of_a_month() -> None:
    life = running().does(s.CloseDay(), date(2026, 1, 15))
    assert life.version == 5
    life.does(s.CloseDay(), date(2026, 1, 31))
    assert isinstance(life.last, e.InterestAccrued)
    assert posted(life.last) == {A.INTEREST_RECEIVABLE: "11.61", A.INTEREST_INCOME: "-11.61"}


def test_an_offer_that_nobody_answered_expires_with_the_day() -> None:
    life = Life().does(c.Apply(applicant_id="cust_2002", amount=D(1200)), PAYOUT)
    life.does(c.MakeOffer(amount=D(1200), valid_until=day(3)), PAYOUT)
    life.does(s.CloseDay(), day(3))
    assert life.version == 2
    life.does(s.CloseDay(), day(4))
    assert life.last.stored_as == "offer_expired"


def test_a_loan_that_is_too_late_is_charged_off_with_the_day() -> None:
    life = running(product=with_terms(charge_off_days=90))
    life.does(s.CloseDay(), date(2026, 5, 1))
    assert life.loan.charge_off is None
    life.does(s.CloseDay(), date(2026, 5, 2))  # 90 days after the first due date
    assert isinstance(life.last, e.ChargedOff)
    version = life.version
    life.does(s.CloseDay(), date(2026, 5, 3))
    assert life.version == version


def test_a_rest_too_small_to_ask_for_is_written_off_once_the_loan_has_matured() -> None:
    life = running(product=with_terms(instalments=1, write_off_below=D("2.00"), late_fee=None))
    life.does(s.Repay(amount=D("1210.50")), date(2026, 1, 31))
    life.does(s.CloseDay(), date(2026, 1, 31))
    assert status_of(life) is Status.ACTIVE
    life.does(s.CloseDay(), FEB)
    assert isinstance(life.last, e.WrittenOff)
    assert posted(life.last)[A.CHARGE_OFF_EXPENSE] == "1.50"


@pytest.mark.parametrize("same", [" SEPA  2026-\u00e4", "SEPA\u00a02026-a\u0308\u2003"])
def test_a_reference_is_the_same_however_it_is_spaced_and_composed(same: str) -> None:
    life = running().does(s.Repay(amount=D(10), reference=same), FEB)
    assert life.last.reference == "SEPA 2026-\u00e4"
    for other in ("SEPA 2026-\u00e4", f"{same} "):
        for again in (s.Repay, s.Settle):
            command = again(amount=D(10), reference=other)
            assert life.refuses(command, FEB) is Refusal.REFERENCE_REPEATED
    life.does(s.Repay(amount=D(10), reference="sepa 2026-\u00e4"), FEB)
    life.does(s.Repay(amount=D(10), reference="\u2003 "), FEB)
    assert life.last.reference is None


def test_a_reference_that_was_recorded_as_it_came_is_found_too() -> None:
    event = running().does(s.Repay(amount=D(10)), FEB).last
    life = running()
    life.records(replace(event, reference=" r1"), FEB)
    assert life.refuses(s.Repay(amount=D(10), reference="r1"), FEB) is Refusal.REFERENCE_REPEATED
    life.does(s.Reverse(version=life.version, reason=s.ReversalReason.MISTAKE), FEB)
    life.does(s.Repay(amount=D(10), reference="r1"), FEB)


def test_a_reference_names_one_payout_one_payment_one_charge_back_and_one_refund() -> None:
    """A charge-back has the reference of the payment that is taken back, so each kind has its own."""
    life = accepted_offer("1200").does(c.Disburse(amount=D(400), reference=" r  1"), PAYOUT)
    paid = life.does(s.Repay(amount=D(500), reference="r 1"), PAYOUT).version
    moves: list[Any] = [
        c.Disburse(amount=D(400), reference="r 1"),
        s.ChargeBack(version=paid, amount=D(10), reference="\u2003r 1"),
        s.RefundCredit(amount=D(10), reference="r\u00a01 "),
    ]
    assert life.refuses(moves[0], PAYOUT) is Refusal.REFERENCE_REPEATED
    for move in moves[1:]:
        life.does(move, PAYOUT)
        assert life.last.reference == "r 1"
        assert life.refuses(move, PAYOUT) is Refusal.REFERENCE_REPEATED
    shown = statement(life.loan, PAYOUT, PAYOUT).movements
    assert [one.reference for one in shown] == ["r 1"] * 4
    life.does(s.Reverse(version=life.version, reason=s.ReversalReason.MISTAKE), PAYOUT)
    life.does(moves[-1], PAYOUT)


def test_references_recorded_twice_before_are_each_found_until_both_are_reversed() -> None:
    """Charge-backs and refunds were not compared once: what is on record is folded as it is."""
    life = running().does(s.Repay(amount=D(500)), FEB)
    back = s.ChargeBack(version=life.version, amount=D(10), reference="r1")
    event = life.does(back, FEB).last
    life.records(replace(event, reference="r1 "), FEB)
    for reversed_first in (life.version, life.version - 1):
        assert life.refuses(back, FEB) is Refusal.REFERENCE_REPEATED
        life.does(s.Reverse(version=reversed_first, reason=s.ReversalReason.MISTAKE), FEB)
    life.does(back, FEB)


def test_a_charge_is_waived_whole_or_in_part() -> None:
    life = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(10)), day(5))
    life.does(s.WaiveCharge(version=6, amount=D(4)), day(6))
    assert posted(life.last)[A.FEES_RECEIVABLE] == "-4.00"
    life.does(s.WaiveCharge(version=6), day(6))
    assert life.last.amount == D("6.00")
    version = life.version
    assert life.does(s.WaiveCharge(version=6), day(6)).version == version


def test_interest_that_fell_due_is_waived() -> None:
    life = running().does(s.WaiveInterest(amount=D(12)), day(40))
    assert life.book().instalments[0].waived.interest == D("12.00")
