"""What does not hold on a loan, and why: every refusal of servicing, each in a history of its own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal, forbidden
from lending.domain.loan.entries import Entry, Paid
from lending.domain.loan.terms import OriginationFee, PaymentKind
from lending.domain.servicing import commands as s
from lending.domain.servicing.state import MAX_ENTRIES
from tests.domain.servicing.lives import (
    PAYOUT,
    PRODUCT,
    THIS,
    Life,
    accepted_offer,
    day,
    on_record,
    running,
    with_terms,
)

D = Decimal
FEB, APR = date(2026, 2, 1), date(2026, 4, 1)
NEW = UUID("019c1111-2222-7000-8333-444455556666")
MISTAKE = s.ReversalReason.MISTAKE


def paid() -> Life:
    return running().does(s.Repay(amount=D("106.62"), reference="r1"), FEB)


def paid_off() -> Life:
    return running().does(s.Repay(amount=D(1200), kind=PaymentKind.PAYOFF), PAYOUT)


def written_off() -> Life:
    return running().does(s.WriteOff(), FEB)


def full() -> Life:
    life = running()
    entries = tuple(Entry(100 + n, PAYOUT, Paid(amount=D("0.01"))) for n in range(MAX_ENTRIES))
    life.state = life.state._replace(loan=life.loan._replace(entries=entries))
    return life


def offered(product: object = PRODUCT) -> Life:
    life = Life(product=product)  # type: ignore[arg-type]  # a product or none
    return life.does(c.Apply(applicant_id="cust_2002", amount=D(1200)), PAYOUT)


def refinancing(into: Life | None) -> Life:
    life = running()
    if into is not None:
        life.named, life.named_version = into.state, into.version
    return life


def drifted() -> Life:
    """An accepted offer with a fee whose rate is another when it is paid out much later."""
    product = with_terms(origination_fee=OriginationFee(amount=D("60.00")), instalments=3)
    return accepted_offer(product=product, first_due_on=FEB)


def offer(**said: object) -> c.MakeOffer:
    return c.MakeOffer(amount=D(1200), product="personal-loan", **said)  # type: ignore[arg-type]


BOARD = s.Board(product="personal-loan", principal=D(1000), paid_through=PAYOUT, instalments=10)
REPAY = s.Repay(amount=D(10))
CASES: Final[list[tuple[Refusal, Callable[[], Life], c.Command, date]]] = [
    (
        Refusal.EFFECTIVE_BEFORE_FUNDING,
        lambda: accepted_offer().does(c.Disburse(), day(9)),
        REPAY,
        day(5),
    ),
    (Refusal.FULLY_DISBURSED, running, c.Disburse(), day(1)),
    (Refusal.NOT_FUNDED, accepted_offer, REPAY, day(1)),
    (Refusal.LOAN_HAS_TERMS, running, s.SetTerms(product="personal-loan"), day(1)),
    (Refusal.TERMS_NOT_SET, lambda: running(product=None), REPAY, day(1)),
    (Refusal.LOAN_ENDED, written_off, REPAY, day(60)),
    (Refusal.LOAN_CLOSED, lambda: paid_off().does(s.CloseLoan(), day(1)), REPAY, day(2)),
    (Refusal.NOTHING_OWED, paid_off, s.WriteOff(), day(2)),
    (Refusal.NOT_LOST, running, s.Recover(amount=D(5)), day(2)),
    (Refusal.NOT_CHARGED_OFF, running, s.UndoChargeOff(), day(2)),
    (Refusal.NO_CREDIT, running, s.RefundCredit(), day(2)),
    (Refusal.DATE_OUT_OF_RANGE, running, s.PauseDelinquency(until=PAYOUT), day(2)),
    (
        Refusal.DATE_OUT_OF_RANGE,
        running,
        s.ReAge(first_due_on=date(2300, 1, 1), instalments=3),
        day(2),
    ),
    (Refusal.DATE_OUT_OF_RANGE, running, s.MoveDueDate(due_on=FEB, to=PAYOUT), day(2)),
    (
        Refusal.DATE_OUT_OF_RANGE,
        running,
        s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(1), due_on=date(9999, 12, 31)),
        day(2),
    ),
    (Refusal.DATE_OUT_OF_RANGE, accepted_offer, replace(BOARD, paid_through=day(9)), day(2)),
    (Refusal.DATE_OUT_OF_RANGE, offered, offer(first_due_on=PAYOUT), PAYOUT),
    (Refusal.CURRENCY_DIFFERS, running, s.Repay(amount=D(10), currency="EUR"), day(2)),
    (Refusal.CURRENCY_DIFFERS, lambda: offered(with_terms(currency="EUR")), offer(), PAYOUT),
    (Refusal.PRODUCT_UNKNOWN, lambda: offered(None), offer(), PAYOUT),
    (Refusal.PRODUCT_WITHDRAWN, lambda: offered(replace(PRODUCT, withdrawn=True)), offer(), PAYOUT),
    (Refusal.PRODUCT_REQUIRED, offered, c.MakeOffer(amount=D(1200), instalments=3), PAYOUT),
    (Refusal.TERMS_NOT_POSSIBLE, offered, offer(instalments=601), PAYOUT),
    (Refusal.TERMS_NOT_POSSIBLE, offered, offer(rate_percent=D(1000)), PAYOUT),
    (Refusal.TERMS_NOT_POSSIBLE, offered, offer(rate_percent=D(-1)), PAYOUT),
    (Refusal.TERMS_NOT_POSSIBLE, lambda: offered(on_record(amount_max=D(1000))), offer(), PAYOUT),
    (Refusal.TERMS_NOT_POSSIBLE, offered, offer(term_months=6, instalments=12), PAYOUT),
    (
        Refusal.TERMS_NOT_POSSIBLE,
        lambda: offered(with_terms(instalment_amount=D("5.00"))),
        offer(),
        PAYOUT,
    ),
    (
        Refusal.TERMS_NOT_POSSIBLE,
        lambda: offered(with_terms(origination_fee=OriginationFee(amount=D(1200)))),
        offer(),
        PAYOUT,
    ),
    (Refusal.FEE_TAKES_ALL, drifted, c.Disburse(amount=D(60)), day(28)),
    (Refusal.KIND_NOT_ALLOWED, running, replace(REPAY, kind=PaymentKind.DOWN_PAYMENT), day(2)),
    (Refusal.ABOVE_THE_OFFER, accepted_offer, c.Disburse(amount=D("1200.01")), day(1)),
    (Refusal.DISCLOSURE_STALE, drifted, c.Disburse(), day(28)),
    (
        Refusal.ARREARS_OUT_OF_ORDER,
        accepted_offer,
        replace(BOARD, arrears=(s.Arrears(due_on=day(-5), fees=D(1)),) * 2),
        day(2),
    ),
    (Refusal.AMOUNT_IMPLAUSIBLE, running, s.Repay(amount=D("12000.01")), day(2)),
    (Refusal.REFERENCE_REPEATED, paid, s.Repay(amount=D(10), reference="r1"), day(40)),
    (Refusal.KIND_NOT_ALLOWED, running, replace(REPAY, kind=PaymentKind.RECOVERY), day(2)),
    (Refusal.PAYOFF_SHORT, running, replace(REPAY, kind=PaymentKind.PAYOFF), day(2)),
    (Refusal.TRANSACTION_UNKNOWN, running, s.Reverse(version=4, reason=MISTAKE), day(2)),
    (Refusal.TRANSACTION_UNKNOWN, running, s.WaiveCharge(version=5), day(2)),
    (
        Refusal.TRANSACTION_REVERSED,
        lambda: paid().does(s.Reverse(version=6, reason=MISTAKE), day(40)),
        s.Reverse(version=6, reason=MISTAKE),
        day(41),
    ),
    (
        Refusal.NOT_REVERSIBLE,
        lambda: paid().does(s.Reverse(version=6, reason=MISTAKE), day(40)),
        s.Reverse(version=7, reason=MISTAKE),
        day(41),
    ),
    (
        Refusal.TRANSACTION_IN_USE,
        lambda: paid().does(s.ChargeBack(version=6, amount=D(5)), day(40)),
        s.Reverse(version=6, reason=MISTAKE),
        day(41),
    ),
    (Refusal.TRANSACTION_IN_USE, paid, s.Reverse(version=5, reason=MISTAKE), day(41)),
    (Refusal.NOT_A_PAYMENT, running, s.ChargeBack(version=5), day(41)),
    (
        Refusal.NOT_A_CHARGE,
        running,
        s.Repay(amount=D(5), kind=PaymentKind.CHARGE_ADJUSTMENT, charge=5),
        day(2),
    ),
    (
        Refusal.ABOVE_THE_CHARGE,
        lambda: running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(1)),
        s.Repay(amount=D("5.01"), kind=PaymentKind.CHARGE_ADJUSTMENT, charge=6),
        day(2),
    ),
    (Refusal.BEFORE_THE_TRANSACTION, paid, s.ChargeBack(version=6), day(2)),
    (Refusal.ABOVE_THE_PAYMENT, paid, s.ChargeBack(version=6, amount=D("106.63")), day(41)),
    (
        Refusal.ABOVE_THE_CREDIT,
        lambda: running().does(s.Repay(amount=D(2000)), FEB),
        s.RefundCredit(amount=D(1000)),
        day(41),
    ),
    (Refusal.ABOVE_WHAT_IS_UNPAID, running, s.WaiveInterest(amount=D("12.01")), day(41)),
    (Refusal.ABOVE_WHAT_IS_UNPAID, running, s.Forgive(amount=D("1200.01")), day(2)),
    (
        Refusal.ABOVE_WHAT_IS_UNPAID,
        lambda: running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(5)), day(1)),
        s.WaiveCharge(version=6, amount=D("5.01")),
        day(41),
    ),
    (
        Refusal.ABOVE_THE_PAYMENT,
        lambda: paid().does(s.ChargeBack(version=6), day(40)),
        s.ChargeBack(version=6),
        day(41),
    ),
    (Refusal.TERMS_NOT_POSSIBLE, running, s.ChangeRate(rate_percent=D(1001)), day(2)),
    (Refusal.TERMS_NOT_POSSIBLE, running, s.ChangeRate(rate_percent=D("100.01")), day(2)),
    (
        Refusal.AMOUNT_IMPLAUSIBLE,
        running,
        s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(12001)),
        day(2),
    ),
    (Refusal.RATE_NEGATIVE, running, s.ChangeRate(rate_percent=D("-0.01")), day(41)),
    (
        Refusal.AMOUNT_TOO_FINE,
        running,
        s.ChangeRate(rate_percent=D(5), instalment_amount=D("90.001")),
        day(2),
    ),
    (
        Refusal.TERMS_NOT_POSSIBLE,
        running,
        s.ChangeRate(rate_percent=D(12), instalment_amount=D("12.00")),
        day(2),
    ),
    (
        Refusal.TERMS_NOT_POSSIBLE,
        accepted_offer,
        replace(BOARD, instalment_amount=D("8.00")),
        PAYOUT,
    ),
    (Refusal.DUE_DATE_UNKNOWN, running, s.MoveDueDate(due_on=day(3), to=day(9)), day(2)),
    (Refusal.NOTHING_TO_COME, running, s.ChangeRate(rate_percent=D(5)), day(400)),
    (Refusal.TOO_MANY_INSTALMENTS, running, s.Extend(instalments=589), day(2)),
    (Refusal.DELINQUENCY_NOT_PAUSED, running, s.ResumeDelinquency(), day(2)),
    (Refusal.LATER_TRANSACTIONS, paid, s.ChargeOff(), day(2)),
    (Refusal.NOTHING_TO_SETTLE, running, s.Settle(amount=D(1200)), PAYOUT),
    (Refusal.BALANCE_NOT_ZERO, running, s.CloseLoan(), day(2)),
    (Refusal.REFINANCING_INTO_ITSELF, running, s.Refinance(into=THIS), FEB),
    (Refusal.AMOUNT_IMPLAUSIBLE, running, s.Transfer(to="x", price=D("12000.01")), FEB),
    *(
        (Refusal.AMOUNT_IMPLAUSIBLE, accepted_offer, replace(BOARD, arrears=(arrears,)), PAYOUT)
        for arrears in (
            s.Arrears(due_on=PAYOUT, interest=D(12001)),
            s.Arrears(due_on=PAYOUT, fees=D(12001)),
            s.Arrears(due_on=PAYOUT, penalties=D(12001)),
        )
    ),
    (
        Refusal.AMOUNT_NOT_POSITIVE,
        accepted_offer,
        replace(BOARD, arrears=(s.Arrears(due_on=PAYOUT, fees=D(0)),)),
        PAYOUT,
    ),
    (
        Refusal.TERMS_NOT_POSSIBLE,
        accepted_offer,
        replace(BOARD, first_due_on=date(2125, 10, 1)),
        PAYOUT,
    ),
    (Refusal.REFINANCING_UNKNOWN, lambda: refinancing(None), s.Refinance(into=NEW), FEB),
    (Refusal.REFINANCING_NOT_READY, lambda: refinancing(running()), s.Refinance(into=NEW), FEB),
    (
        Refusal.REFINANCING_OF_OTHERS,
        lambda: refinancing(accepted_offer("2000", of="cust_3003")),
        s.Refinance(into=NEW),
        FEB,
    ),
    (
        Refusal.REFINANCING_NOT_READY,
        lambda: refinancing(accepted_offer(product=None)),
        s.Refinance(into=NEW),
        FEB,
    ),
    (
        Refusal.REFINANCING_TOO_SMALL,
        lambda: refinancing(accepted_offer("1200")),
        s.Refinance(into=NEW),
        FEB,
    ),
    (Refusal.TOO_MANY_TRANSACTIONS, full, REPAY, day(2)),
    (Refusal.AMOUNT_TOO_FINE, running, s.Repay(amount=D("0.001")), day(2)),
    (Refusal.AMOUNT_NOT_POSITIVE, running, s.Repay(amount=D(0)), day(2)),
    (Refusal.AMOUNT_NOT_POSITIVE, running, s.Repay(amount=D(-5)), day(2)),
    (Refusal.EFFECTIVE_BEFORE_APPLICATION, running, REPAY, day(-1)),
]
SERVICING_REFUSALS: Final = frozenset(refusal for refusal, *_ in CASES)


@pytest.mark.parametrize(
    ("refusal", "history", "command", "on"),
    CASES,
    ids=[f"{refusal.code}-{n}" for n, (refusal, *_) in enumerate(CASES)],
)
def test_it_is_refused(
    refusal: Refusal, history: Callable[[], Life], command: c.Command, on: date
) -> None:
    life = history()
    before = life.state
    assert life.refuses(command, on) is refusal
    assert life.state == before


@pytest.mark.parametrize("kind", s.SERVICING_COMMANDS, ids=c.command_name)
def test_nothing_is_done_to_a_loan_that_nobody_applied_for(kind: type[s.ServicingCommand]) -> None:
    assert forbidden(kind, Life().state) is Refusal.APPLICATION_UNKNOWN
