"""Terms of a loan: everything a product fixes, frozen into the offer.

WARNING: field names and the values of the enums are part of the storage format. Where lenders
differ, the difference is a parameter here; its default is the one named in the docstring.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from annotated_types import Ge, Le, MaxLen, MinLen

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.fields import Code, Currency, Digits, Example, NonNegativeAmount, RatePercent
from lending.domain.money import Rounding

MAX_INSTALMENTS: Final = 1200
SCHEDULED_INSTALMENTS_MAX: Final = 600
"""Instalments of a loan that is granted under a product, 50 years of months: its binding schedule,
every instalment of it, is stored in one event, whose data have at most 48 KiB.
"""
TERM_YEARS_MAX: Final = 100
"""Years between funding and the last instalment of such a loan."""
MAX_RATE_STEPS: Final = 120
MAX_BUCKETS: Final = 24

SignedRatePercent = Annotated[Decimal, Digits(4, 6), Example("7.25")]
"""A nominal annual rate in percent that may be below zero."""

InstalmentCount = Annotated[int, Ge(1), Le(MAX_INSTALMENTS), Example(36)]
"""A number of instalments, or the number of one, counted from 1."""

GraceCount = Annotated[int, Ge(0), Le(MAX_INSTALMENTS)]
"""A number of instalments at the start, which may be none."""

Days = Annotated[int, Ge(0), Le(3660)]
"""A number of days."""

DaysPastDue = Annotated[int, Ge(1), Le(3660)]
"""A number of days past due: a loan that is not late has none."""

DayOfMonth = Annotated[int, Ge(1), Le(31)]
"""A day of the month; in a shorter month its last day."""


class Amortization(StrEnum):
    """How principal is repaid.

    `equal_instalments`: level payments. `equal_principal`: level principal. `interest_only`:
    all principal with the last instalment. `flat`: level principal, and interest of every
    period on the first principal.
    """

    EQUAL_INSTALMENTS = "equal_instalments"
    EQUAL_PRINCIPAL = "equal_principal"
    INTEREST_ONLY = "interest_only"
    FLAT = "flat"


class PeriodInterest(StrEnum):
    """What fraction of a year a period is.

    `days`: the day count between its dates. `equal_periods`: every full period the same fraction
    (a month 1/12), a part of one by actual days of that period (Apache Fineract: "30/360").
    """

    DAYS = "days"
    EQUAL_PERIODS = "equal_periods"


class InterestBasis(StrEnum):
    """On which balance interest runs.

    `scheduled`: the schedule's, whatever is paid when (precomputed). `prepaid`: the schedule's,
    less principal paid ahead of it. `outstanding`: what is owed, late principal included (simple
    interest).
    """

    SCHEDULED = "scheduled"
    PREPAID = "prepaid"
    OUTSTANDING = "outstanding"


class PrepaidInterest(StrEnum):
    """Until when principal paid in advance bears interest: its day, or the period's end."""

    PAYMENT_DATE = "payment_date"
    PERIOD_END = "period_end"


class InterestAfterMaturity(StrEnum):
    """Whether principal unpaid after the last due date bears interest, where it does before.

    `stops`: no more (German law: default interest, BGB s. 288 and 497, is a charge of its own).
    `accrues`: at the last rate, simple, by the day count, due day by day until it is paid
    (California Civil Code, s. 3289(a)).
    """

    STOPS = "stops"
    ACCRUES = "accrues"


class CreditBalance(StrEnum):
    """What becomes of money that was paid too much: held until it is paid out, or applied.

    `applied` pays what falls due, on its due date, by the rule for instalments; what it pays then
    counts as paid by the payment that left it over, the oldest first.
    """

    HELD = "held"
    APPLIED = "applied"


class InterestGrace(StrEnum):
    """What becomes of the interest of instalments in grace.

    `deferred`: due with the first one after. `capitalised`: added to principal. `waived`: never
    charged.
    """

    DEFERRED = "deferred"
    CAPITALISED = "capitalised"
    WAIVED = "waived"


class Precision(StrEnum):
    """Whether balances carry rounded amounts, or unrounded ones as formulas do.

    With `carried` the level payment is unrounded too, and only what a line asks for is rounded.
    """

    ROUNDED = "rounded"
    CARRIED = "carried"


class LastInstalment(StrEnum):
    """What the last instalment does with the difference that rounding leaves.

    `absorb` takes it. `spread` tries a level payment nearer to the last one and keeps it when the
    gap shrinks (Apache Fineract, progressive schedules).
    """

    ABSORB = "absorb"
    SPREAD = "spread"


class RateChangeDay(StrEnum):
    """Whether a new rate counts from its date or from the day before."""

    ITS_DAY = "its_day"
    DAY_BEFORE = "day_before"


class RateChangeEffect(StrEnum):
    """What a new rate changes: the instalment (the term stays) or the term.

    With `keep_instalment` a lower rate leaves out the last instalments. A higher one adds some,
    where the old instalment does not repay principal in time, unless it would not even pay the
    interest, or the last instalment was larger all along; then the last one takes what is left. Rate
    steps that are known beforehand change no term.
    """

    NEW_INSTALMENT = "new_instalment"
    KEEP_INSTALMENT = "keep_instalment"


class NegativeAmortization(StrEnum):
    """Whether a payment below the interest may raise the balance."""

    REFUSED = "refused"
    ALLOWED = "allowed"


class NegativeRate(StrEnum):
    """Whether a rate below zero is a mistake, or meant: then it counts as zero.

    A rate that follows an index may fall below zero; interest is never owed to the borrower.
    """

    REFUSED = "refused"
    ALLOWED = "allowed"


class Component(StrEnum):
    """What an instalment consists of, in the order of the law's least favour to the debtor."""

    PENALTY = "penalty"
    FEE = "fee"
    INTEREST = "interest"
    PRINCIPAL = "principal"


class Timing(StrEnum):
    """When an amount is due, seen from the day of a payment."""

    PAST_DUE = "past_due"
    DUE = "due"
    IN_ADVANCE = "in_advance"


class AllocationStep(StrEnum):
    """One step of an allocation order: a component at a timing."""

    PAST_DUE_PENALTY = "past_due_penalty"
    PAST_DUE_FEE = "past_due_fee"
    PAST_DUE_INTEREST = "past_due_interest"
    PAST_DUE_PRINCIPAL = "past_due_principal"
    DUE_PENALTY = "due_penalty"
    DUE_FEE = "due_fee"
    DUE_INTEREST = "due_interest"
    DUE_PRINCIPAL = "due_principal"
    IN_ADVANCE_PENALTY = "in_advance_penalty"
    IN_ADVANCE_FEE = "in_advance_fee"
    IN_ADVANCE_INTEREST = "in_advance_interest"
    IN_ADVANCE_PRINCIPAL = "in_advance_principal"

    @property
    def timing(self) -> Timing:
        """When what it pays is due."""
        return Timing(self.value.rpartition("_")[0])

    @property
    def component(self) -> Component:
        """What it pays."""
        return Component(self.value.rpartition("_")[2])


class Processing(StrEnum):
    """Which runs first: one instalment after the other, or one step of the order after the other.

    `by_instalment` pays the oldest instalment's components before the next instalment's
    ("horizontal"), `by_step` pays a component of all instalments before the next ("vertical").
    """

    BY_INSTALMENT = "by_instalment"
    BY_STEP = "by_step"


class Prepayment(StrEnum):
    """What is done with money beyond what is due.

    `next` and `last` pay instalments to come, from that end. `reamortise` pays all of them in equal
    parts. `keep_instalment` lowers principal at once and lets the term shorten, `keep_term` lowers
    it and computes the instalments anew.
    """

    NEXT = "next"
    LAST = "last"
    REAMORTISE = "reamortise"
    KEEP_INSTALMENT = "keep_instalment"
    KEEP_TERM = "keep_term"


CURTAILS: Final = (Prepayment.KEEP_INSTALMENT, Prepayment.KEEP_TERM)
"""Treatments that repay principal at once, not instalments to come."""


class PaymentKind(StrEnum):
    """What a payment is for or where it comes from."""

    INSTALMENT = "instalment"
    PREPAYMENT = "prepayment"
    PAYOFF = "payoff"
    DOWN_PAYMENT = "down_payment"
    MERCHANT_REFUND = "merchant_refund"
    PAYOUT_REFUND = "payout_refund"
    GOODWILL_CREDIT = "goodwill_credit"
    CHARGE_ADJUSTMENT = "charge_adjustment"
    RECOVERY = "recovery"


class DownPaymentMode(StrEnum):
    """Whether the down payment is booked with the disbursement or waited for."""

    AUTOMATIC = "automatic"
    AWAITED = "awaited"


class FeeTreatment(StrEnum):
    """How an origination fee is taken: withheld from the advance, or added to principal."""

    WITHHELD = "withheld"
    ADDED = "added"


class FinanceCharge(StrEnum):
    """Whether a fee is part of the finance charge, hence of the APR (12 CFR 1026.4)."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


class LateFeeBase(StrEnum):
    """Of what a late fee is a percentage."""

    OVERDUE_PRINCIPAL = "overdue_principal"
    OVERDUE_PRINCIPAL_AND_INTEREST = "overdue_principal_and_interest"
    INSTALMENT = "instalment"


_STEPS_BY_DEFAULT: Final = tuple(AllocationStep)

AllocationOrder = Annotated[tuple[AllocationStep, ...], MinLen(1), MaxLen(len(AllocationStep))]
"""Steps in the order they are paid; money no step takes becomes a credit balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
    """From this instalment on the nominal annual rate is another."""

    from_instalment: InstalmentCount
    rate_percent: SignedRatePercent


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRule:
    """How payments of one kind are allocated; without `kind`, all that no other rule names.

    Default order: past due, due, in advance, in each the oldest instalment first, of it penalty, fee,
    interest, principal. A penalty that came later so waits for what is overdue longer: a payment ends
    days past due before anything else. `by_step` takes the penalties of all that is past due first.
    """

    kind: PaymentKind | None = None
    order: AllocationOrder = _STEPS_BY_DEFAULT
    processing: Processing = Processing.BY_INSTALMENT
    prepayment: Prepayment = Prepayment.NEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFee:
    """A penalty for a shortfall older than `grace_days`: an amount, a percentage, or the larger.

    A shortfall below `shortfall_min` costs nothing, nor does one that only an earlier late fee
    caused (12 CFR 1026.36(c)(2)).
    """

    amount: NonNegativeAmount | None = None
    percent: RatePercent | None = None
    base: LateFeeBase = LateFeeBase.OVERDUE_PRINCIPAL_AND_INTEREST
    grace_days: Days = 15
    maximum: NonNegativeAmount | None = None
    shortfall_min: NonNegativeAmount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginationFee:
    """A fee at funding: an amount, a percentage of the advance, or both together."""

    amount: NonNegativeAmount | None = None
    percent: RatePercent | None = None
    treatment: FeeTreatment = FeeTreatment.WITHHELD
    finance_charge: FinanceCharge = FinanceCharge.INCLUDED


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalmentFee:
    """A fee in every instalment, such as an insurance premium."""

    amount: NonNegativeAmount
    finance_charge: FinanceCharge = FinanceCharge.INCLUDED


@dataclass(frozen=True, slots=True, kw_only=True)
class DelinquencyBucket:
    """A class of arrears by days past due, `to_days` included; open without it."""

    name: Code
    from_days: Days
    to_days: Days | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one loan. Amounts are in `currency`; rates are nominal, annual, in percent.

    `instalments` are counted without down payments. `amortization_instalments` above it makes the
    last one a balloon; `balloon_percent` of principal is left to the last one as well. `due_day`
    anchors due dates to a day of the month, the first one at least `first_period_days` after
    funding. `compoundings_per_year` converts the nominal rate, (1 + r/m)^(m/f) - 1 a period;
    without it the rate is simple within a period. `instalment_unit` rounds the level payment to
    multiples, `instalment_amount` fixes it, `level_interest` is how periods count while it is
    computed (as for interest, without it). `payment_cap_percent` bounds how far a new rate may
    raise it, `lengthened_instalments_max` how many instalments a kept one may make of the term.
    `interest_after_maturity` counts where the basis is `outstanding`. Days past due count
    `delinquency_grace_days` less for buckets. Closing a day charges a loan off that is
    `charge_off_days` past due, and writes one off that has matured with less than `write_off_below`
    unpaid.

    Defaults: interest once an instalment half-even to the cent, last instalment absorbs, rates
    from their day, interest on the scheduled balance.
    """

    currency: Currency
    rate_percent: SignedRatePercent
    instalments: InstalmentCount
    every: Annotated[int, Ge(1), Le(366)] = 1
    period: PeriodUnit = PeriodUnit.MONTHS
    amortization: Amortization = Amortization.EQUAL_INSTALMENTS
    rate_steps: Annotated[tuple[RateStep, ...], MaxLen(MAX_RATE_STEPS)] = ()
    amortization_instalments: InstalmentCount | None = None
    balloon_percent: RatePercent | None = None
    principal_grace: GraceCount = 0
    interest_grace: GraceCount = 0
    interest_grace_as: InterestGrace = InterestGrace.DEFERRED
    due_day: DayOfMonth | None = None
    first_period_days: Days = 0
    business_day_rule: BusinessDayRule = BusinessDayRule.NONE
    holidays: Code | None = None
    day_count: DayCount = DayCount.THIRTY_360_US
    period_interest: PeriodInterest = PeriodInterest.EQUAL_PERIODS
    level_interest: PeriodInterest | None = None
    compoundings_per_year: Annotated[int, Ge(1), Le(366)] | None = None
    interest_basis: InterestBasis = InterestBasis.SCHEDULED
    prepaid_interest: PrepaidInterest = PrepaidInterest.PAYMENT_DATE
    interest_after_maturity: InterestAfterMaturity = InterestAfterMaturity.STOPS
    interest_rounding: Rounding = Rounding.HALF_EVEN
    instalment_rounding: Rounding = Rounding.HALF_EVEN
    instalment_unit: NonNegativeAmount | None = None
    instalment_amount: NonNegativeAmount | None = None
    precision: Precision = Precision.ROUNDED
    last_instalment: LastInstalment = LastInstalment.ABSORB
    rate_change_day: RateChangeDay = RateChangeDay.ITS_DAY
    rate_change_effect: RateChangeEffect = RateChangeEffect.NEW_INSTALMENT
    payment_cap_percent: RatePercent | None = None
    lengthened_instalments_max: InstalmentCount | None = None
    negative_amortization: NegativeAmortization = NegativeAmortization.REFUSED
    negative_rate: NegativeRate = NegativeRate.REFUSED
    payment_rules: Annotated[tuple[PaymentRule, ...], MaxLen(len(PaymentKind) + 1)] = ()
    credit_balance: CreditBalance = CreditBalance.HELD
    charge_back_order: Annotated[tuple[Component, ...], MinLen(4), MaxLen(4)] = tuple(Component)
    down_payment_percent: RatePercent | None = None
    down_payment_mode: DownPaymentMode = DownPaymentMode.AWAITED
    origination_fee: OriginationFee | None = None
    instalment_fee: InstalmentFee | None = None
    late_fee: LateFee | None = None
    write_off_below: NonNegativeAmount | None = None
    charge_off_days: DaysPastDue | None = None
    delinquency_grace_days: Days = 0
    delinquency_buckets: Annotated[tuple[DelinquencyBucket, ...], MaxLen(MAX_BUCKETS)] = ()


_ANY_PAYMENT: Final = PaymentRule()


def payment_rule(terms: Terms, kind: PaymentKind) -> PaymentRule:
    """The rule by which payments of `kind` are allocated.

    A payoff that no rule names repays principal at once, whatever is done with other prepayments. A
    payoff leaves nothing out: steps that its rule does not name come last, and what is not due yet
    comes after what is.
    """
    named = {rule.kind: rule for rule in terms.payment_rules}
    general = named.get(None, _ANY_PAYMENT)
    if kind is not PaymentKind.PAYOFF:
        return named.get(kind, general)
    rule = named.get(kind) or replace(general, prepayment=Prepayment.KEEP_INSTALMENT)
    first = tuple(step for step in rule.order if step.timing is not Timing.IN_ADVANCE)
    rest = (step for step in AllocationStep if step not in first)
    return replace(rule, order=(*first, *rest))
