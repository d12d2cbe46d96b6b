"""How a loan ends, what comes after, and what is said of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application.circumstances import Both
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import Status
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.journal import LedgerAccount as A
from lending.domain.loan.terms import (
    OriginationFee,
    PaymentKind,
)
from lending.domain.servicing import commands as s
from lending.domain.servicing.statement import balances, lines, payoff_quote, statement
from tests.domain.servicing.lives import (
    PAYOUT,
    Life,
    accepted_offer,
    day,
    posted,
    running,
    status_of,
    with_terms,
)

FEB, MAR, APR = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)
NEW = UUID("019c1111-2222-7000-8333-444455556666")
D = Decimal


def test_a_charge_off_takes_the_receivables_off_the_books_and_can_be_undone() -> None:
    life = running().does(s.ChargeOff(), day(40))
    assert posted(life.last) == {A.LOANS_RECEIVABLE: "-1200.00", A.CHARGE_OFF_EXPENSE: "1200.00"}
    life.does(s.Repay(amount=D(100)), day(41))
    assert posted(life.last) == {A.CASH: "100.00", A.RECOVERY_INCOME: "-100.00"}
    life.does(s.UndoChargeOff(), day(42))
    assert life.loan.accounts[A.LOANS_RECEIVABLE] == life.loan.balance
    assert A.CHARGE_OFF_EXPENSE not in life.loan.accounts
    assert status_of(life) is Status.ACTIVE


def test_arrears_hold_a_charge_from_its_own_due_date_on_everywhere() -> None:
    life = running().does(s.CloseDay(), day(37))  # a late fee, due on 7 February
    for on, amount in ((day(37), D("106.62")), (day(38), D("131.62")), (MAR, D("131.62"))):
        _, said, late = lines(life.loan, on)
        assert (said.overdue, late.amount, life.book(on).overdue) == (amount,) * 3
        assert (late.since, late.bucket) == (FEB, "1-29")
    only_a_fee = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(10)), day(5))
    _, said, late = lines(only_a_fee.loan, day(8))
    assert (said.overdue, late.amount, late.since) == (D("10.00"), D("10.00"), day(5))


def test_a_statement_tells_late_fees_as_they_fell_due_and_nothing_after_a_payoff() -> None:
    life = running().does(s.CloseDay(), day(37))
    fees = [one for one in statement(life.loan, PAYOUT, MAR).fell_due if one.number is None]
    assert [(one.due, one.owed.penalties, one.unpaid) for one in fees] == [
        (day(37), D("25.00"), D("25.00"))
    ]
    assert fees[0].version == next(iter(life.loan.late_fees))
    quoted = payoff_quote(life.loan, day(70)).sums.total
    life.does(s.Repay(amount=quoted, kind=PaymentKind.PAYOFF), day(70))
    said = statement(life.loan, PAYOUT, day(400))
    assert max(one.due for one in said.fell_due) <= day(70)
    assert all(not one.unpaid for one in said.fell_due)


def test_a_reversal_is_in_the_statement_of_its_day_and_of_that_of_what_it_reverses() -> None:
    life = running().does(s.Repay(amount=D("106.62")), FEB)
    life.does(s.Reverse(version=6, reason=s.ReversalReason.RETURNED_UNPAID), day(60))
    for start, end in ((PAYOUT, FEB), (day(50), day(70))):
        (undone,) = statement(life.loan, start, end).undone
        assert (undone.version, undone.reversed_by, undone.reversed_on) == (6, 7, day(60))
    assert statement(life.loan, day(61), day(70)).undone == ()


def test_what_is_paid_on_a_loan_that_was_charged_off_is_told_as_recovered() -> None:
    life = running().does(s.ChargeOff(), day(100)).does(s.Repay(amount=D("50.00")), day(110))
    booked = life.last.booking
    assert (booked.recovered, booked.interest + booked.principal) == (D("50.00"), D("50.00"))
    assert posted(life.last) == {A.CASH: "50.00", A.RECOVERY_INCOME: "-50.00"}
    life.does(s.ChargeBack(version=7, amount=D("20.00")), day(120))
    assert life.last.booking.recovered == D("-20.00")
    life.does(s.UndoChargeOff(), day(121))
    assert all(not one.recovered for one in life.book().allocations.values())


def test_a_write_off_ends_the_loan_and_what_comes_later_is_recovered() -> None:
    life = running().does(s.WriteOff(), day(40))
    assert status_of(life) is Status.WRITTEN_OFF
    life.does(s.Recover(amount=D(50)), day(90))
    assert life.last.booking.recovered == D("50.00")
    life.does(s.Reverse(version=6, reason=s.ReversalReason.MISTAKE), day(91))
    assert status_of(life) is Status.ACTIVE  # reopened


def test_a_settlement_takes_less_for_all() -> None:
    life = running().does(s.Settle(amount=D(800), reference="deal"), day(40))
    assert [event.stored_as for _, event in life.events[-2:]] == ["repaid", "settled"]
    assert status_of(life) is Status.SETTLED
    assert life.loan.balance == 0
    assert life.loan.accounts[A.CHARGE_OFF_EXPENSE] > 0


def test_a_transfer_posts_what_it_gained_or_lost() -> None:
    life = running().does(s.Transfer(to="another servicer", price=D(1100)), PAYOUT)
    assert status_of(life) is Status.TRANSFERRED
    assert posted(life.last) == {
        A.SUSPENSE: "1100.00",
        A.LOANS_RECEIVABLE: "-1200.00",
        A.TRANSFER_RESULT: "100.00",
    }


def refinanced(old: Life, on: date) -> tuple[Life, Life]:
    """A loan, and the one that pays it off."""
    new = accepted_offer("2000")
    old.named, old.named_version = new.state, new.version
    answer = old.answer(s.Refinance(into=NEW), on)
    assert isinstance(answer, Both)
    old.records(answer.here[0], on)
    new.records(answer.there[0], on)
    return old, new


def test_refinancing_pays_one_loan_off_out_of_another() -> None:
    old, new = refinanced(running(), FEB)
    owed = old.last.amount
    assert owed == D("1212.00")
    assert status_of(old) is Status.REFINANCED
    assert status_of(new) is Status.ACTIVE
    assert new.last.paid_out == D("2000.00") - owed
    assert old.loan.accounts[A.SUSPENSE] == owed
    assert new.loan.accounts[A.SUSPENSE] == -owed


def test_a_paid_off_loan_is_closed_and_a_charge_back_reopens_it() -> None:
    life = running().does(s.Repay(amount=D(1200), kind=PaymentKind.PAYOFF), PAYOUT)
    assert life.loan.status is LoanStatus.PAID_OFF
    life.does(s.CloseLoan(), day(1))
    assert life.answer(s.CloseLoan(), day(1)) == []
    life.does(s.ChargeBack(version=6), day(5))
    assert status_of(life) is Status.ACTIVE


def test_what_is_disclosed_again_is_what_counts_at_funding() -> None:
    fee = OriginationFee(amount=D("60.00"))
    life = accepted_offer(product=with_terms(origination_fee=fee), first_due_on=FEB)
    life.does(s.Redisclose(offer_id="1", disburse_on=day(25)), day(20))
    offer = life.state.accepted_offer
    assert offer is not None
    assert offer.disburse_on == day(25)
    life.does(c.Disburse(), day(25))
    assert life.last.disclosed == offer.disclosed


def test_a_payment_that_is_enough_pays_the_loan_off_whatever_it_is_called() -> None:
    life = running()
    quote = payoff_quote(life.loan, day(20)).sums.total
    life.does(s.Repay(amount=quote), day(20))
    assert status_of(life) is Status.PAID_OFF
    assert life.last.kind is PaymentKind.PAYOFF
    assert balances(life.loan, day(20)).accrued_interest == 0


def test_a_charge_counts_once_in_a_statement_and_is_overdue_from_its_own_day() -> None:
    life = running().does(s.Repay(amount=D("106.62")), FEB)
    life.does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(30)), date(2026, 2, 10))
    assert balances(life.loan, date(2026, 2, 20)).overdue == D("30.00")
    assert balances(life.loan, MAR).overdue == D("30.00")
    said = statement(life.loan, MAR, MAR)
    assert (said.opening.due.fees, said.fell_due[0].owed.fees) == (D("30.00"), D("0.00"))
    assert said.closing.due.fees == D("30.00")
    assert statement(life.loan, day(-5), day(-1)).closing.status is None


@pytest.mark.parametrize(
    ("theirs", "new"),
    [
        ({"jointly": ("cust_3003",)}, {"of": "cust_3003"}),
        ({}, {"of": "cust_3003", "jointly": ("cust_2002",)}),
    ],
)
def test_who_owes_a_loan_jointly_may_refinance_it(
    theirs: dict[str, Any], new: dict[str, Any]
) -> None:
    old, other = running(**theirs), accepted_offer("2000", **new)
    old.named, old.named_version = other.state, other.version
    assert isinstance(old.answer(s.Refinance(into=NEW), FEB), Both)


def test_a_loan_is_not_refinanced_into_one_that_was_applied_for_later() -> None:
    old = running()
    later = Life().does(c.Apply(applicant_id="cust_2002", amount=D(2000)), day(50))
    later.does(c.Decide(outcome=c.Outcome.APPROVED), day(50))
    later.does(c.MakeOffer(amount=D(2000), product="personal-loan"), day(50))
    later.does(c.AcceptOffer(offer_id="1"), day(50))
    old.named, old.named_version = later.state, later.version
    assert old.refuses(s.Refinance(into=NEW), FEB) is Refusal.EFFECTIVE_BEFORE_APPLICATION


def test_what_was_paid_on_a_loan_that_another_paid_off_is_charged_back_and_never_reversed() -> None:
    old, _ = refinanced(running().does(s.Repay(amount=D("106.62")), FEB), MAR)
    assert old.refuses(s.Reverse(version=6, reason=s.ReversalReason.RETURNED_UNPAID), day(70)) is (
        Refusal.NOT_REVERSIBLE
    )
    old.does(s.ChargeBack(version=6), day(70)).does(s.Recover(amount=D("106.62")), day(71))
    total: dict[A, Decimal] = {}
    for _, event in old.events:
        for line in getattr(getattr(event, "booking", None), "postings", ()):
            total[line.account] = total.get(line.account, Decimal(0)) + line.amount
    assert total.get(A.RECOVERY_INCOME, Decimal(0)) == 0


def test_undoing_a_charge_off_says_what_is_recovered_no_more() -> None:
    life = running().does(s.ChargeOff(), day(40)).does(s.Repay(amount=D(40)), day(41))
    life.does(s.UndoChargeOff(), day(42))
    changed = [(one.version, one.recovered) for one in life.last.booking.reallocated]
    assert (7, D("-40.00")) in changed


def test_what_is_charged_back_of_a_settled_loan_is_lost_and_owed_by_nobody() -> None:
    life = running().does(s.Settle(amount=D(400)), FEB)
    life.does(s.ChargeBack(version=6), day(50))
    assert (life.last.booking.recovered, life.last.booking.balance) == (D("-400.00"), D("0.00"))
    posted = {one.account: one.amount for one in life.last.booking.postings}
    assert posted == {A.CASH: D("-400.00"), A.RECOVERY_INCOME: D("400.00")}
    book, owed, late = lines(life.loan, day(120))
    assert not any((book.outstanding, owed.due.total, owed.overdue, late.amount))
    assert (late.since, late.bucket) == (None, None)
    life.does(s.Recover(amount=D(400)), day(121))
    assert A.RECOVERY_INCOME not in life.loan.accounts


def test_what_ended_a_loan_is_reversed_to_ask_for_what_was_charged_back() -> None:
    life = running().does(s.Settle(amount=D(400)), FEB).does(s.ChargeBack(version=6), day(50))
    life.does(s.Reverse(version=7, reason=s.ReversalReason.MISTAKE), day(51))
    assert life.loan.balance == D("1200.00")
    assert life.loan.accounts[A.LOANS_RECEIVABLE] == D("1200.00")


def test_a_payment_before_a_write_off_is_reversed_after_the_write_off() -> None:
    life = running().does(s.Repay(amount=D("50.00")), day(3)).does(s.WriteOff(), day(9))
    mistake = s.ReversalReason.MISTAKE
    assert life.refuses(s.Reverse(version=6, reason=mistake), day(10)) is Refusal.TRANSACTION_IN_USE
    life.does(s.Reverse(version=7, reason=mistake), day(10))
    life.does(s.Reverse(version=6, reason=mistake), day(10))
    assert life.loan.balance == D("1200.00")


def test_a_loan_that_was_overpaid_is_charged_no_late_fee_for_days_before() -> None:
    life = running().does(s.Repay(amount=D("1400.00")), day(100))
    assert life.answer(s.CloseDay(), day(99)) == []


def test_a_boarding_by_mistake_is_reversed_and_done_again() -> None:
    board = s.Board(product="personal-loan", principal=D(1000), paid_through=PAYOUT, instalments=10)
    life = accepted_offer().does(board, PAYOUT)
    life.does(s.Reverse(version=5, reason=s.ReversalReason.MISTAKE), day(1))
    assert status_of(life) is Status.ACCEPTED
    assert sum((line.amount for line in life.last.booking.postings), D(0)) == 0
    life.does(board, PAYOUT)
    assert life.loan.balance == D("1000.00")
    assert life.refuses(replace(board, principal=D(12001)), day(2)) is Refusal.ALREADY_DISBURSED


def test_a_boarding_of_far_more_than_was_applied_for_is_taken_for_a_slip() -> None:
    board = s.Board(
        product="personal-loan", principal=D(12001), paid_through=PAYOUT, instalments=10
    )
    assert accepted_offer().refuses(board, PAYOUT) is Refusal.AMOUNT_IMPLAUSIBLE
    accrued = replace(board, principal=D(1000), accrued_interest=D(12001))
    assert accepted_offer().refuses(accrued, PAYOUT) is Refusal.AMOUNT_IMPLAUSIBLE
