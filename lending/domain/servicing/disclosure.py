"""What terms come to for a loan of an amount: its schedule, its rates, and what is disclosed of it."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from lending.domain import money
from lending.domain.apr import CashFlow, apr_percent, effective_annual_percent
from lending.domain.loan.due_dates import DueDates, rhythm_of
from lending.domain.loan.fees import Funding, funding
from lending.domain.loan.lines import LineKind
from lending.domain.loan.schedule import Advance, Schedule, ScheduledInstalment, schedule
from lending.domain.loan.terms import FinanceCharge, Terms
from lending.domain.rates import ManyRates, NoRate
from lending.domain.servicing.booking import agreed_of
from lending.domain.servicing.events import BindingSchedule, Disclosed, PaymentRun, Regularity

REGULAR_TOLERANCE: Final = Decimal("0.125")
IRREGULAR_TOLERANCE: Final = Decimal("0.25")
"""By how many points the APR at funding may leave the one disclosed (12 CFR 1026.22(a))."""

_RATE_STEP: Final = Decimal("0.000001")


class Plan(NamedTuple):
    """A loan as it would be: what is paid out, its schedule, and what is disclosed of it."""

    funding: Funding
    schedule: Schedule
    disclosed: Disclosed


def plan(terms: Terms, amount: Decimal, on: date, dues: DueDates) -> Plan:
    """The loan of `amount` paid out on a day, with these due dates."""
    funded = funding(terms, amount)
    lines = schedule(terms, [Advance(on, funded.principal)], dues=dues)
    return Plan(funded, lines, _disclosed(terms, funded, on, lines))


def binding(lines: Schedule, currency: str) -> BindingSchedule:
    """The schedule as it is stored."""
    fees = [money.in_currency(one.fees, currency) for one in lines.instalments]
    down = sum(one.kind is LineKind.DOWN_PAYMENT for one in lines.instalments)
    return BindingSchedule(
        due_on=tuple(one.due for one in lines.instalments),
        principal=tuple(money.in_currency(one.principal, currency) for one in lines.instalments),
        interest=tuple(money.in_currency(one.interest, currency) for one in lines.instalments),
        fees=tuple(fees) if any(fees) else (),
        down_payments=down,
        agreed=agreed_of(lines.instalments[down:]),
    )


def must_be_disclosed_again(disclosed: Disclosed, now: Disclosed) -> bool:
    """Whether the rate leaves the one that was disclosed by more than its tolerance."""
    if disclosed.apr_percent is None or now.apr_percent is None:
        return disclosed.apr_percent != now.apr_percent
    irregular = Regularity.IRREGULAR in (disclosed.regularity, now.regularity)
    tolerance = IRREGULAR_TOLERANCE if irregular else REGULAR_TOLERANCE
    return abs(now.apr_percent - disclosed.apr_percent) > tolerance


def _disclosed(terms: Terms, funded: Funding, on: date, lines: Schedule) -> Disclosed:
    fee = terms.origination_fee
    charged = fee is not None and fee.finance_charge is FinanceCharge.INCLUDED
    financed = funded.principal - (funded.fee if charged else Decimal(0))
    counted = [one for one in lines.instalments if _counted(terms, one)]
    payments = [CashFlow(one.agreed, _counted(terms, one)) for one in counted]
    total = sum((one.amount for one in payments), Decimal(0))
    advances = [CashFlow(on, financed)] if financed > 0 else []
    currency = terms.currency
    return Disclosed(
        apr_percent=_apr(advances, payments),
        effective_percent=_effective(advances, payments),
        amount_financed=money.in_currency(financed, currency),
        finance_charge=money.in_currency(total - financed, currency),
        total_of_payments=money.in_currency(total, currency),
        payments=_runs([(one.due, _counted(terms, one)) for one in counted], currency),
        regularity=_regularity(terms, lines, payments),
    )


def _counted(terms: Terms, one: ScheduledInstalment) -> Decimal:
    """What an instalment asks for, without fees that are no finance charge."""
    fee = terms.instalment_fee
    left_out = fee is not None and fee.finance_charge is FinanceCharge.EXCLUDED
    return one.payment - one.fees if left_out else one.payment


def _apr(advances: Sequence[CashFlow], payments: Sequence[CashFlow]) -> Decimal | None:
    try:
        return _written(apr_percent(advances, payments))
    except NoRate:
        return None


def _effective(advances: Sequence[CashFlow], payments: Sequence[CashFlow]) -> Decimal | None:
    try:
        return _written(effective_annual_percent(advances, payments))
    except (NoRate, ManyRates):
        return None


def _written(rate: Decimal) -> Decimal:
    return rate.quantize(_RATE_STEP, ROUND_HALF_UP) + 0


def _runs(payments: Sequence[tuple[date, Decimal]], currency: str) -> tuple[PaymentRun, ...]:
    runs = ((amount, [due for due, _ in run]) for amount, run in groupby(payments, itemgetter(1)))
    return tuple(
        PaymentRun(
            count=len(dues), amount=money.in_currency(amount, currency), first_due_on=dues[0]
        )
        for amount, dues in runs
    )


def _regularity(terms: Terms, lines: Schedule, payments: Sequence[CashFlow]) -> Regularity:
    first = lines.instalments[0]
    agreed = [one.agreed for one in lines.instalments]
    whole = rhythm_of(terms, first.start, agreed).length(first.start, first.agreed) == 1
    level = len({one.amount for one in payments[:-1]}) <= 1
    return Regularity.REGULAR if whole and level else Regularity.IRREGULAR
