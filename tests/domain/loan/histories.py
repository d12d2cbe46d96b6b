"""Random terms and random histories of loans, for properties that hold for all of them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan import entries as e
from lending.domain.loan.entries import Act, Ending, Entry
from lending.domain.loan.faults import faults
from lending.domain.loan.terms import (
    Amortization,
    Component,
    CreditBalance,
    InterestAfterMaturity,
    InterestBasis,
    InterestGrace,
    LastInstalment,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    PrepaidInterest,
    Prepayment,
    Processing,
    RateChangeDay,
    RateChangeEffect,
    Terms,
)
from lending.domain.money import Rounding

FUNDED_ON: Final = date(2024, 1, 31)

amounts: Final = st.integers(1, 2_000_00).map(lambda cents: Decimal(cents).scaleb(-2))
rates: Final = st.integers(0, 3000).map(lambda bps: Decimal(bps).scaleb(-2))

rules: Final = st.builds(
    PaymentRule,
    processing=st.sampled_from(Processing),
    prepayment=st.sampled_from(Prepayment),
)

terms: Final = st.builds(
    Terms,
    currency=st.just("USD"),
    rate_percent=rates,
    instalments=st.integers(1, 18),
    every=st.integers(1, 3),
    period=st.sampled_from(PeriodUnit),
    amortization=st.sampled_from(Amortization),
    balloon_percent=st.none() | st.just(Decimal(30)),
    principal_grace=st.just(0) | st.integers(0, 3),
    interest_grace=st.just(0) | st.integers(0, 3),
    interest_grace_as=st.sampled_from(InterestGrace),
    day_count=st.sampled_from((DayCount.ACTUAL_360, DayCount.ACTUAL_365F)),
    period_interest=st.sampled_from(PeriodInterest),
    compoundings_per_year=st.none() | st.sampled_from((1, 2, 12)),
    interest_basis=st.sampled_from(InterestBasis),
    prepaid_interest=st.sampled_from(PrepaidInterest),
    interest_after_maturity=st.sampled_from(InterestAfterMaturity),
    interest_rounding=st.sampled_from(Rounding),
    instalment_rounding=st.sampled_from(Rounding),
    instalment_unit=st.none() | st.sampled_from((Decimal(1), Decimal("0.05"), Decimal(10))),
    last_instalment=st.sampled_from(LastInstalment),
    rate_change_day=st.sampled_from(RateChangeDay),
    rate_change_effect=st.sampled_from(RateChangeEffect),
    payment_rules=rules.map(lambda rule: (rule,)),
    credit_balance=st.sampled_from(CreditBalance),
    down_payment_percent=st.none() | st.just(Decimal(25)),
).filter(lambda made: not faults(made, Decimal(100)))

_days = st.integers(0, 700).map(lambda days: FUNDED_ON + timedelta(days=days))
_payments = st.builds(e.Paid, amount=amounts, kind=st.sampled_from(PaymentKind))
_charges = st.builds(
    e.ChargeAssessed,
    component=st.sampled_from((Component.FEE, Component.PENALTY)),
    amount=amounts,
    due_on=_days,
)

everyday: Final[st.SearchStrategy[Act]] = st.one_of(
    _payments,
    _payments,
    _charges,
    st.builds(e.Disbursed, amount=amounts),
    st.builds(e.RateChanged, rate_percent=rates),
    st.builds(e.InterestWaived, amount=amounts),
)

acts: Final[st.SearchStrategy[Act]] = st.one_of(
    everyday,
    st.builds(e.ChargedBack, of=st.integers(1, 20), amount=amounts),
    st.builds(e.CreditRefunded, amount=amounts),
    st.builds(e.ChargeWaived, of=st.integers(1, 20), amount=amounts),
    st.builds(e.Paused, instalments=st.integers(1, 3)),
    st.builds(e.Extended, instalments=st.integers(1, 6)),
    st.builds(
        e.DueDateMoved,
        due_on=_days,
        to=_days,
    ),
    st.builds(
        e.ReAged,
        first_due_on=st.integers(601, 900).map(lambda days: FUNDED_ON + timedelta(days=days)),
        instalments=st.integers(1, 6),
        every=st.integers(1, 2),
        period=st.sampled_from(PeriodUnit),
    ),
    st.just(e.ReAmortised()),
    st.just(e.Capitalised()),
    st.builds(e.Forgiven, amount=amounts),
    st.just(e.ChargedOff()),
    st.builds(e.Ended, how=st.sampled_from(Ending)),
)


_arrears: Final = st.builds(
    e.Arrears,
    due_on=st.integers(1, 90).map(lambda days: FUNDED_ON - timedelta(days=days)),
    principal=amounts,
    interest=amounts,
    fees=st.just(Decimal("0.00")) | amounts,
    penalties=st.just(Decimal("0.00")) | amounts,
)

_fundings: Final[st.SearchStrategy[Act]] = st.one_of(
    amounts.map(lambda amount: e.Disbursed(amount=amount + 100)),
    st.builds(
        e.Boarded,
        principal=amounts,
        paid_through=st.just(FUNDED_ON),
        accrued_interest=st.just(Decimal("0.00")) | amounts,
        overdue=st.lists(_arrears, max_size=2).map(
            lambda some: tuple(sorted(some, key=lambda one: one.due_on))
        ),
    ),
)


@st.composite
def histories(draw: st.DrawFn, acts: st.SearchStrategy[Act] = acts) -> list[Entry]:
    """A funded loan and what happened to it, in the order of recording, dates in any order."""
    entries = [Entry(1, FUNDED_ON, draw(_fundings))]
    for act in draw(st.lists(acts, max_size=12)):
        day = FUNDED_ON + timedelta(days=draw(st.integers(0, 600)))
        entries.append(Entry(len(entries) + 1, day, act))
    return entries
