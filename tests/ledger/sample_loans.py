"""One event of every kind of servicing, for samples/."""

from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from lending.domain.application import events as e
from lending.domain.calendar import PeriodUnit
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.entries import Arrears
from lending.domain.loan.journal import LedgerAccount, Posting
from lending.domain.loan.terms import LateFee, PaymentKind, RateStep, Terms
from lending.domain.servicing import events as s
from lending.domain.servicing.commands import ChargeKind, ReversalReason

D = Decimal
OTHER: Final = UUID("019c1111-2222-7000-8333-444455556666")
PRODUCT: Final = s.ProductCited(
    name="personal-loan", version="2026-10", digest="d2" * 32, registry_position=7
)
TERMS: Final = Terms(
    currency="USD",
    rate_percent=D("7.25"),
    instalments=36,
    rate_steps=(RateStep(from_instalment=13, rate_percent=D("8.00")),),
    late_fee=LateFee(amount=D("25.00")),
)
DISCLOSED: Final = s.Disclosed(
    apr_percent=D("7.250000"),
    effective_percent=D("7.495731"),
    amount_financed=D("12000.00"),
    finance_charge=D("1388.04"),
    total_of_payments=D("13388.04"),
    payments=(s.PaymentRun(count=36, amount=D("371.89"), first_due_on=date(2026, 4, 10)),),
    regularity=s.Regularity.REGULAR,
)
SCHEDULE: Final = s.BindingSchedule(
    due_on=(date(2026, 4, 10), date(2026, 5, 10)),
    principal=(D("6000.00"), D("6000.00")),
    interest=(D("72.50"), D("36.25")),
    fees=(D("2.00"), D("2.00")),
)
BOOKING: Final = s.Booking(
    principal=D("299.39"),
    interest=D("72.50"),
    fees=D("0.00"),
    penalties=D("0.00"),
    credit=D("0.00"),
    recovered=D("0.00"),
    balance=D("11700.61"),
    status=LoanStatus.ACTIVE,
    through=date(2026, 4, 10),
    postings=(
        Posting(account=LedgerAccount.CASH, amount=D("371.89")),
        Posting(account=LedgerAccount.LOANS_RECEIVABLE, amount=D("-299.39")),
        Posting(account=LedgerAccount.INTEREST_INCOME, amount=D("-72.50")),
    ),
    reallocated=(
        s.Reallocated(
            version=9,
            principal=D("0.95"),
            interest=D("-0.95"),
            fees=D("0.00"),
            penalties=D("0.00"),
            credit=D("0.00"),
        ),
    ),
    left_out=1,
)
LOAN_SAMPLES: Final[tuple[e.Event, ...]] = (
    e.Offered(
        offer_id="1",
        amount=D("12000.00"),
        term_months=36,
        rate_percent=D("7.25"),
        valid_until=date(2026, 4, 1),
        product=PRODUCT,
        terms=TERMS,
        first_due_on=date(2026, 4, 10),
        disburse_on=date(2026, 3, 10),
        disclosed=DISCLOSED,
    ),
    e.Redisclosed(
        offer_id="1",
        disburse_on=date(2026, 3, 12),
        disclosed=DISCLOSED,
        first_due_on=date(2026, 4, 10),
    ),
    e.Disbursed(
        offer_id="1",
        amount=D("12000.00"),
        reference="pay-1",
        channel="ach",
        principal=D("12000.00"),
        fee=D("0.00"),
        paid_out=D("2000.00"),
        refinanced=D("10000.00"),
        refinances=OTHER,
        schedule=SCHEDULE,
        disclosed=DISCLOSED,
        booking=BOOKING,
    ),
    s.Boarded(
        product=PRODUCT,
        terms=TERMS,
        principal=D("9000.00"),
        accrued_interest=D("12.34"),
        paid_through=date(2026, 3, 1),
        schedule=SCHEDULE,
        booking=BOOKING,
        arrears=(
            Arrears(
                due_on=date(2026, 2, 1),
                principal=D("100.00"),
                interest=D("50.00"),
                fees=D("0.00"),
                penalties=D("5.00"),
            ),
        ),
        reference="old-4711",
    ),
    s.TermsSet(product=PRODUCT, terms=TERMS, schedule=SCHEDULE, booking=BOOKING),
    s.DisbursementReversed(
        of=5, reason=ReversalReason.WRONG_LOAN, booking=BOOKING, text="sent to somebody else"
    ),
    s.Repaid(
        amount=D("371.89"),
        kind=PaymentKind.INSTALMENT,
        booking=BOOKING,
        channel="direct_debit",
        reference="SEPA-1",
    ),
    s.Recovered(amount=D("50.00"), booking=BOOKING, channel="agency", reference="R-1"),
    s.RepaymentReversed(
        of=6, reason=ReversalReason.RETURNED_UNPAID, booking=BOOKING, text="no funds"
    ),
    s.EntryReversed(of=7, reason=ReversalReason.MISTAKE, booking=BOOKING, text="typo"),
    s.ChargedBack(of=6, amount=D("100.00"), booking=BOOKING, reference="CB-1"),
    s.CreditRefunded(amount=D("10.00"), booking=BOOKING, channel="ach", reference="CR-1"),
    s.ChargeAssessed(
        kind=ChargeKind.PENALTY,
        amount=D("25.00"),
        due_on=date(2026, 4, 26),
        booking=BOOKING,
        name="late fee",
        late_for=date(2026, 4, 10),
    ),
    s.ChargeWaived(of=8, amount=D("25.00"), booking=BOOKING),
    s.InterestWaived(amount=D("72.50"), booking=BOOKING),
    s.TermsChanged(
        change=s.TermsChange.RE_AGED,
        booking=BOOKING,
        schedule=SCHEDULE,
        rate_percent=D("6.00"),
        due_on=date(2026, 4, 10),
        to=date(2026, 4, 20),
        instalments=12,
        first_due_on=date(2026, 5, 1),
        every=1,
        period=PeriodUnit.MONTHS,
        amount=D("5.00"),
        until=date(2026, 6, 1),
    ),
    s.ChargedOff(booking=BOOKING, text="180 days past due"),
    s.ChargeOffUndone(of=9, booking=BOOKING, text="paid after all"),
    s.WrittenOff(booking=BOOKING, text="insolvent"),
    s.Settled(booking=BOOKING),
    s.Refinanced(into=OTHER, amount=D("9000.00"), booking=BOOKING),
    s.Transferred(to="another servicer", price=D("8000.00"), booking=BOOKING),
    s.Closed(),
    s.InterestAccrued(booking=BOOKING),
)
"""The samples."""
