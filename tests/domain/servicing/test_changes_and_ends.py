"""How terms change in mid-life, how a loan ends, and what is said of it."""

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
from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.journal import LedgerAccount as A
from lending.domain.loan.terms import (
    Amortization,
    InterestBasis,
    OriginationFee,
    PaymentKind,
    PrepaidInterest,
)
from lending.domain.servicing import commands as s
from lending.domain.servicing import events as e
from lending.domain.servicing.statement import balances, lines, payoff_quote, statement
from tests.domain.servicing.drawn import weekdays
from tests.domain.servicing.lives import PAYOUT, Life, accepted_offer, day, running, with_terms

FEB, MAR, APR = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)
NEW = UUID("019c1111-2222-7000-8333-444455556666")
D = Decimal


def posted(event: Any) -> dict[A, str]:
    """The postings of an event, by account."""
    return {line.account: str(line.amount) for line in event.booking.postings}


def amounts(event: Any) -> tuple[str, ...]:
    """What an event came to: principal, interest, fees, penalties, credit, balance."""
    booked = event.booking
    parts = (booked.principal, booked.interest, booked.fees, booked.penalties)
    return tuple(str(part) for part in (*parts, booked.credit, booked.balance))


def status_of(life: Life) -> Status:
    """Where a loan stands."""
    return life.state.status


# terms


def test_a_new_rate_changes_the_instalments_to_come() -> None:
    life = running().does(s.ChangeRate(rate_percent=D(24)), FEB)
    assert life.last.change is e.TermsChange.RATE
    assert life.last.schedule.due_on[0] == MAR
    assert life.last.schedule.interest[0] > D("20.00")


def test_a_modification_fixes_the_instalment_for_good() -> None:
    life = running().does(s.ChangeRate(rate_percent=D(24), instalment_amount=D(90)), FEB)
    assert life.last.instalment_amount == D("90.00")

    def first(schedule: e.BindingSchedule) -> Decimal:
        return schedule.principal[0] + schedule.interest[0]

    assert first(life.last.schedule) == D("90.00")
    life.does(s.Extend(instalments=6), FEB)
    assert first(life.last.schedule) == D("90.00")
    life.does(s.Capitalise(), MAR)
    life.does(s.ChangeRate(rate_percent=D(12), instalment_amount=D(120)), MAR)
    assert first(life.last.schedule) == D("120.00")


def test_a_fixed_instalment_survives_a_correction_before_it() -> None:
    change = s.ChangeRate(rate_percent=D(24), instalment_amount=D(90))
    life = running().does(change, MAR).does(s.Repay(amount=D("106.62")), FEB)
    to_come = [one for one in life.book(MAR).instalments if one.due > MAR]
    assert to_come[0].owed.total == D("90.00")


def test_new_instalments_are_counted_without_those_they_replace() -> None:
    life = running(product=with_terms(instalments=360))
    life.does(s.ReAge(first_due_on=APR, instalments=480), MAR)
    assert life.last.schedule.due_on[0] == APR
    assert life.refuses(s.ReAge(first_due_on=APR, instalments=599), MAR) is (
        Refusal.TOO_MANY_INSTALMENTS
    )


def test_a_due_date_moves_and_those_behind_it_follow() -> None:
    life = running().does(s.MoveDueDate(due_on=FEB, to=date(2026, 2, 15)), day(5))
    assert life.last.schedule.due_on[:2] == (date(2026, 2, 15), date(2026, 3, 15))


def test_a_payment_holiday_leaves_instalments_out() -> None:
    life = running().does(s.Pause(instalments=2), day(5))
    assert life.last.schedule.due_on[0] == APR
    assert len(life.last.schedule.due_on) == 12


def test_an_extension_adds_instalments() -> None:
    life = running().does(s.Extend(instalments=6), day(5))
    assert len(life.last.schedule.due_on) == 18
    assert sum(life.last.schedule.principal) == D("1200.00")


BUSINESS_DAYS = with_terms(
    business_day_rule=BusinessDayRule.FOLLOWING, holidays="us", late_fee=None
)


@pytest.mark.parametrize(
    "change",
    [
        s.Extend(instalments=6),
        s.Pause(instalments=2),
        s.MoveDueDate(due_on=date(2026, 3, 2), to=date(2026, 3, 14)),
        s.ReAge(first_due_on=date(2026, 5, 30), instalments=12),
    ],
)
def test_due_dates_after_a_change_are_business_days_and_follow_those_agreed(
    change: s.ServicingCommand,
) -> None:
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    life.does(c.Disburse(), PAYOUT).does(change, date(2026, 2, 10))
    lines = [one for one in life.book().instalments if one.due > date(2026, 2, 10)]
    assert all(weekdays(one.due) for one in lines)
    days = {one.agreed.day for one in lines}
    assert len(days - {28, 29, 30}) <= 1
    assert any(one.agreed != one.due for one in lines)
    stored = life.last.schedule
    assert stored.due_on == tuple(one.due for one in lines)
    assert stored.agreed == tuple(one.agreed for one in lines)


def test_a_change_before_another_keeps_to_business_days() -> None:
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    life.does(c.Disburse(), PAYOUT).does(s.Pause(instalments=1), date(2026, 4, 10))
    life.does(s.Extend(instalments=3), date(2026, 3, 10))
    assert all(weekdays(one.due) for one in life.book().instalments)


def test_a_first_due_date_that_a_calendar_moves_to_the_funding_is_refused() -> None:
    """Due a day after a Friday, and moved to the business day before."""
    daily = with_terms(
        period=PeriodUnit.DAYS, business_day_rule=BusinessDayRule.PRECEDING, holidays="us"
    )
    life = accepted_offer(product=daily, is_business_day=weekdays)
    assert life.refuses(c.Disburse(), date(2026, 1, 2)) is Refusal.TERMS_NOT_POSSIBLE


def test_the_rate_is_that_of_the_dates_agreed() -> None:
    """12 CFR 1026.17(c)(3): that a due date is no business day does not count."""
    life = accepted_offer(product=BUSINESS_DAYS, is_business_day=weekdays)
    disclosed = life.state.offers["1"].disclosed
    assert disclosed is not None
    assert disclosed.apr_percent == D("11.999780")
    assert disclosed.payments[0].first_due_on == date(2026, 2, 2)


def test_what_is_overdue_becomes_principal_or_is_spread_or_is_owed_anew() -> None:
    capitalised = running().does(s.Capitalise(), day(40))
    assert capitalised.loan.balance == D("1212.00")
    spread = running().does(s.ReAmortise(), day(40))
    assert spread.book().overdue == 0
    aged = running().does(s.ReAge(first_due_on=APR, instalments=20), day(40))
    assert len(aged.last.schedule.due_on) == 20
    assert aged.book().overdue == 0


def test_there_is_nothing_to_do_where_nothing_is_overdue() -> None:
    life = running()
    assert life.answer(s.Capitalise(), day(5)) == []
    assert life.answer(s.ReAmortise(), day(5)) == []


def test_principal_is_forgiven() -> None:
    life = running().does(s.Forgive(amount=D(200)), day(5))
    assert life.loan.balance == D("1000.00")
    assert posted(life.last) == {
        A.LOANS_RECEIVABLE: "-200.00",
        A.INTEREST_RECEIVABLE: "1.94",
        A.INTEREST_INCOME: "-1.94",
        A.FORGIVENESS_EXPENSE: "200.00",
    }


def test_days_do_not_count_while_delinquency_is_paused() -> None:
    life = running().does(s.PauseDelinquency(until=day(60)), day(10))
    assert life.book().delinquency_pauses == ((day(10), day(60)),)
    life.does(s.ResumeDelinquency(), day(30))
    assert life.book().delinquency_pauses == ((day(10), day(30)),)


# end


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


TERMS_THAT_CHANGE = [
    s.Pause(instalments=2),
    s.Extend(instalments=2),
    s.MoveDueDate(due_on=MAR, to=date(2026, 3, 20)),
    s.ChangeRate(rate_percent=D(24)),
]
PAID_AHEAD = [
    {"interest_basis": basis, "amortization": amortization}
    for basis, amortization in (
        (InterestBasis.SCHEDULED, Amortization.EQUAL_INSTALMENTS),
        (InterestBasis.SCHEDULED, Amortization.FLAT),
        (InterestBasis.PREPAID, Amortization.EQUAL_INSTALMENTS),
        (InterestBasis.OUTSTANDING, Amortization.INTEREST_ONLY),
    )
]


@pytest.mark.parametrize("prepaid", PrepaidInterest)
@pytest.mark.parametrize("terms", PAID_AHEAD)
@pytest.mark.parametrize("change", [*TERMS_THAT_CHANGE, s.ReAge(first_due_on=APR, instalments=3)])
@pytest.mark.parametrize("kind", [PaymentKind.GOODWILL_CREDIT, PaymentKind.PAYOFF])
def test_new_terms_make_nothing_owed_on_a_loan_that_had_been_paid_before(
    kind: PaymentKind, change: c.Command, terms: dict[str, Any], prepaid: PrepaidInterest
) -> None:
    life = running(product=with_terms(prepaid_interest=prepaid, **terms)).does(change, day(40))
    life.does(s.Repay(amount=D(2000), kind=kind), FEB)
    assert life.loan.status is LoanStatus.OVERPAID
    assert life.book(date(2027, 6, 1)).outstanding == 0


@pytest.mark.parametrize("change", TERMS_THAT_CHANGE)
@pytest.mark.parametrize("terms", PAID_AHEAD)
def test_terms_of_a_loan_that_owes_a_charge_alone_cannot_change(
    change: c.Command, terms: dict[str, Any]
) -> None:
    life = running(product=with_terms(**terms))
    life.does(s.Repay(amount=D(2000), kind=PaymentKind.GOODWILL_CREDIT), FEB)
    life.does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(39))
    assert life.refuses(change, day(40)) is Refusal.NOTHING_TO_COME


def test_a_charge_that_is_owed_alone_bears_no_interest_when_it_is_aged_anew() -> None:
    life = running(product=with_terms(amortization=Amortization.FLAT))
    life.does(s.Repay(amount=D(1344)), FEB)
    life.does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(39))
    life.does(s.ReAge(first_due_on=APR, instalments=3), day(40))
    assert life.book(date(2027, 6, 1)).outstanding == D("5.00")


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
    assert (book.outstanding, owed.due.total, owed.overdue) == (D(0),) * 3
    assert (late.since, late.amount, late.bucket) == (None, D(0), None)
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
