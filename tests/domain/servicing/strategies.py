"""Commands of servicing, out of what their fields may be."""

from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from lending.domain.application import commands as c
from lending.domain.calendar import PeriodUnit
from lending.domain.loan.terms import PaymentKind
from lending.domain.servicing import commands as s

AMOUNTS: Final = st.sampled_from([Decimal("0.01"), Decimal(250), Decimal("1200.50")])
RATES: Final = st.sampled_from([Decimal(0), Decimal("7.25"), Decimal("-0.5")])
DAYS: Final = st.dates(date(2020, 1, 1), date(2060, 1, 1))
VERSIONS: Final = st.integers(1, 30)
COUNTS: Final = st.integers(1, 40)
TEXTS: Final = st.sampled_from([None, "x", "\u00e4\n"])
NAMES: Final = st.sampled_from([None, "r1", "SEPA-2026-0001"])
PRODUCTS: Final = st.sampled_from(["personal-loan", "mortgage"])
ARREARS: Final = st.builds(s.Arrears, due_on=DAYS, principal=st.none() | AMOUNTS)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or none."""
    return st.none() | strategy


_PRODUCT: Final[dict[str, Any]] = {
    "product": PRODUCTS,
    "product_version": NAMES,
    "rate_percent": maybe(RATES),
    "instalments": maybe(COUNTS),
    "first_due_on": maybe(DAYS),
}
_PAID: Final[dict[str, Any]] = {
    "amount": AMOUNTS,
    "currency": st.sampled_from([None, "USD"]),
    "channel": NAMES,
    "reference": NAMES,
}
OF_SERVICING: Final[dict[type[c.Command], st.SearchStrategy[Any]]] = {
    s.Redisclose: st.builds(
        s.Redisclose, offer_id=st.just("1"), disburse_on=maybe(DAYS), first_due_on=maybe(DAYS)
    ),
    s.Board: st.builds(
        s.Board,
        principal=AMOUNTS,
        paid_through=DAYS,
        accrued_interest=maybe(AMOUNTS),
        arrears=st.lists(ARREARS, max_size=2).map(tuple),
        reference=NAMES,
        **_PRODUCT,
    ),
    s.SetTerms: st.builds(s.SetTerms, **_PRODUCT),
    s.Reverse: st.builds(
        s.Reverse, version=VERSIONS, reason=st.sampled_from(s.ReversalReason), text=TEXTS
    ),
    s.Repay: st.builds(s.Repay, kind=st.sampled_from(PaymentKind), **_PAID),
    s.Recover: st.builds(s.Recover, **_PAID),
    s.ChargeBack: st.builds(s.ChargeBack, version=VERSIONS, amount=maybe(AMOUNTS), reference=NAMES),
    s.RefundCredit: st.builds(s.RefundCredit, amount=maybe(AMOUNTS), reference=NAMES),
    s.AssessCharge: st.builds(
        s.AssessCharge,
        kind=st.sampled_from(s.ChargeKind),
        amount=AMOUNTS,
        due_on=maybe(DAYS),
        name=NAMES,
    ),
    s.WaiveCharge: st.builds(s.WaiveCharge, version=VERSIONS, amount=maybe(AMOUNTS)),
    s.WaiveInterest: st.builds(s.WaiveInterest, amount=AMOUNTS),
    s.ChangeRate: st.builds(s.ChangeRate, rate_percent=RATES, instalment_amount=maybe(AMOUNTS)),
    s.MoveDueDate: st.builds(s.MoveDueDate, due_on=DAYS, to=DAYS),
    s.Extend: st.builds(s.Extend, instalments=COUNTS),
    s.Pause: st.builds(s.Pause, instalments=COUNTS),
    s.ReAge: st.builds(
        s.ReAge,
        first_due_on=DAYS,
        instalments=COUNTS,
        every=st.integers(1, 3),
        period=st.sampled_from(PeriodUnit),
    ),
    s.ReAmortise: st.builds(s.ReAmortise),
    s.Capitalise: st.builds(s.Capitalise),
    s.Forgive: st.builds(s.Forgive, amount=AMOUNTS),
    s.PauseDelinquency: st.builds(s.PauseDelinquency, until=DAYS),
    s.ResumeDelinquency: st.builds(s.ResumeDelinquency),
    s.ChargeOff: st.builds(s.ChargeOff, text=TEXTS),
    s.UndoChargeOff: st.builds(s.UndoChargeOff, text=TEXTS),
    s.WriteOff: st.builds(s.WriteOff, text=TEXTS),
    s.Settle: st.builds(s.Settle, amount=AMOUNTS, channel=NAMES, reference=NAMES),
    s.Refinance: st.builds(s.Refinance, into=st.just(UUID("019c1111-2222-7000-8333-444455556666"))),
    s.Transfer: st.builds(s.Transfer, to=st.just("somebody"), price=maybe(AMOUNTS)),
    s.CloseLoan: st.builds(s.CloseLoan),
    s.CloseDay: st.builds(s.CloseDay),
}
