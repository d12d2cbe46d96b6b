"""What terms say and no loan under them would ever do, or that leaves open what was meant.

It is asked where a product is published, and nowhere else: a version that is on record, and loans
under it, go on as they are.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.loan.faults import TermsFault
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import (
    CURTAILS,
    AllocationStep,
    Amortization,
    InterestAfterMaturity,
    InterestBasis,
    LateFee,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    Prepayment,
    RateChangeEffect,
    Terms,
    Timing,
)

DEFAULTS: Final = Terms(currency="USD", rate_percent=ZERO, instalments=1)
"""Terms that say nothing but what all terms have to."""

_LEVEL: Final = Amortization.EQUAL_INSTALMENTS


class Needs(NamedTuple):
    """A field that is left at its default, unless `counts` holds of the terms."""

    field: str
    fault: TermsFault
    counts: Callable[[Terms], bool]

    def said(self, terms: Terms) -> bool:
        """Whether the terms say anything in this field."""
        return bool(getattr(terms, self.field) != getattr(DEFAULTS, self.field))


def _computed(terms: Terms) -> bool:
    """Whether there is a level payment, and it is not fixed."""
    return terms.amortization is _LEVEL and terms.instalment_amount is None


def _balloon(terms: Terms) -> bool:
    """Whether the last instalment is to be larger than the others."""
    return bool(terms.balloon_percent) or (terms.amortization_instalments or 0) > terms.instalments


def _counts_days(terms: Terms) -> bool:
    """Whether any interest goes by days over a year: periods of days have no other way."""
    by_days = PeriodInterest.DAYS in (terms.period_interest, terms.level_interest)
    return by_days or terms.period is PeriodUnit.DAYS or _accrues_late(terms)


def _accrues_late(terms: Terms) -> bool:
    accrues = terms.interest_after_maturity is InterestAfterMaturity.ACCRUES
    return accrues and terms.interest_basis is InterestBasis.OUTSTANDING


UNUSED: Final = (
    Needs(
        "principal_grace",
        TermsFault.PRINCIPAL_GRACE_UNUSED,
        lambda terms: terms.amortization is not Amortization.INTEREST_ONLY,
    ),
    Needs(
        "interest_grace_as",
        TermsFault.INTEREST_GRACE_AS_UNUSED,
        lambda terms: terms.interest_grace > 0,
    ),
    Needs(
        "holidays",
        TermsFault.HOLIDAYS_UNUSED,
        lambda terms: terms.business_day_rule is not BusinessDayRule.NONE,
    ),
    Needs("day_count", TermsFault.DAY_COUNT_UNUSED, _counts_days),
    Needs(
        "level_interest",
        TermsFault.LEVEL_INTEREST_UNUSED,
        lambda terms: (
            terms.period is not PeriodUnit.DAYS
            and (_computed(terms) or terms.amortization is Amortization.FLAT)
        ),
    ),
    Needs(
        "interest_after_maturity",
        TermsFault.INTEREST_AFTER_MATURITY_UNUSED,
        lambda terms: terms.interest_basis is InterestBasis.OUTSTANDING,
    ),
    Needs(
        "instalment_unit",
        TermsFault.INSTALMENT_UNIT_UNUSED,
        lambda terms: terms.amortization in (_LEVEL, Amortization.FLAT),
    ),
    Needs(
        "amortization_instalments",
        TermsFault.LEVEL_FIXED_AND_COMPUTED,
        lambda terms: terms.instalment_amount is None,
    ),
    Needs(
        "balloon_percent",
        TermsFault.LEVEL_FIXED_AND_COMPUTED,
        lambda terms: terms.instalment_amount is None,
    ),
    Needs(
        "payment_cap_percent",
        TermsFault.PAYMENT_CAP_UNUSED,
        lambda terms: (
            _computed(terms) and terms.rate_change_effect is RateChangeEffect.NEW_INSTALMENT
        ),
    ),
    Needs(
        "lengthened_instalments_max",
        TermsFault.LENGTHENED_UNUSED,
        lambda terms: (
            terms.amortization is _LEVEL
            and terms.rate_change_effect is RateChangeEffect.KEEP_INSTALMENT
            and not _balloon(terms)
        ),
    ),
    Needs(
        "negative_amortization",
        TermsFault.NEGATIVE_AMORTIZATION_UNUSED,
        lambda terms: (
            terms.amortization is _LEVEL
            or (terms.amortization is Amortization.FLAT and terms.instalment_unit is not None)
        ),
    ),
    Needs(
        "down_payment_mode",
        TermsFault.DOWN_PAYMENT_MODE_UNUSED,
        lambda terms: bool(terms.down_payment_percent),
    ),
)
"""What changes no loan, where its condition does not hold: left out, all is the same."""

CONTRARY: Final = (
    Needs(
        "precision",
        TermsFault.PRECISION_UNUSED,
        lambda terms: (
            terms.amortization is _LEVEL
            and terms.interest_basis is InterestBasis.SCHEDULED
            and terms.instalment_unit is None
        ),
    ),
    Needs(
        "last_instalment",
        TermsFault.SPREAD_UNUSED,
        lambda terms: (
            _computed(terms) and not _balloon(terms) and terms.payment_cap_percent is None
        ),
    ),
    Needs(
        "rate_change_effect",
        TermsFault.KEEP_INSTALMENT_UNUSED,
        lambda terms: terms.amortization is _LEVEL,
    ),
)
"""What does something else than it says, where its condition does not hold."""


def unused(terms: Terms) -> Iterator[TermsFault]:
    """What terms say in vain, in no order; the currency is known."""
    yield from (
        one.fault for one in (*UNUSED, *CONTRARY) if one.said(terms) and not one.counts(terms)
    )
    yield from (fault for fault, holds in _CHECKS if holds(terms))


_MAY_NOT_BE_ZERO: Final = (
    "balloon_percent",
    "instalment_amount",
    "down_payment_percent",
    "write_off_below",
    "origination_fee.amount",
    "origination_fee.percent",
    "instalment_fee.amount",
    "late_fee.amount",
    "late_fee.percent",
    "late_fee.shortfall_min",
)
"""Amounts and percentages that are left out where there is none: a zero is no choice."""


def _zero_amount(terms: Terms) -> bool:
    return any(_of(terms, path) == ZERO for path in _MAY_NOT_BE_ZERO)


def _of(terms: Terms, path: str) -> Decimal | None:
    """The field at a path; none of a fee that is left out."""
    fee, _, name = path.rpartition(".")
    held: Any = attrgetter(fee)(terms) if fee else terms
    found: Decimal | None = None if held is None else getattr(held, name)
    return found


def _step_without_change(terms: Terms) -> bool:
    """What an offer leaves of a step from its own rate is looked at with the bounds of the rate."""
    return any(a.rate_percent == b.rate_percent for a, b in pairwise(terms.rate_steps))


def _prepayment_unused(rule: PaymentRule) -> bool:
    """A treatment of what the rule's order never pays; that of a payoff is made whole."""
    if rule.kind is PaymentKind.PAYOFF or rule.prepayment is Prepayment.NEXT:
        return False
    if rule.prepayment in CURTAILS:
        return AllocationStep.IN_ADVANCE_PRINCIPAL not in rule.order
    return all(step.timing is not Timing.IN_ADVANCE for step in rule.order)


def _down_payment_rule_unused(terms: Terms) -> bool:
    kinds = [rule.kind for rule in terms.payment_rules]
    return PaymentKind.DOWN_PAYMENT in kinds and not terms.down_payment_percent


def _bucket_reversed(terms: Terms) -> bool:
    return any(
        one.to_days is not None and one.to_days < one.from_days for one in terms.delinquency_buckets
    )


def _buckets_apart(terms: Terms) -> bool:
    """Days past due between two buckets; those before the first and after a closed last have none."""
    return any(
        low.to_days is not None and low.to_days + 1 < high.from_days
        for low, high in pairwise(terms.delinquency_buckets)
    )


def _buckets_share_a_name(terms: Terms) -> bool:
    names = [one.name for one in terms.delinquency_buckets]
    return len(names) != len(set(names))


def _instalment_off_unit(terms: Terms) -> bool:
    level, unit = terms.instalment_amount, terms.instalment_unit
    return bool(level and unit and level % unit)


def _late_fee_base_unused(terms: Terms) -> bool:
    """An amount is that amount, of whatever base."""
    fee = terms.late_fee
    return fee is not None and not fee.percent and fee.base is not LateFee().base


def _late_fee_maximum_unused(terms: Terms) -> bool:
    """A maximum bounds a percentage; not above the amount it leaves nothing to it."""
    fee = terms.late_fee
    if fee is None or fee.maximum is None:
        return False
    return not fee.percent or fee.maximum <= (fee.amount or ZERO)


def _late_fee_after_charge_off(terms: Terms) -> bool:
    """Closing a day charges for being late first, and nothing once the loan was taken to loss."""
    fee, days = terms.late_fee, terms.charge_off_days
    return fee is not None and days is not None and fee.grace_days >= days


_CHECKS: Final[tuple[tuple[TermsFault, Callable[[Terms], bool]], ...]] = (
    (TermsFault.ZERO_AMOUNT, _zero_amount),
    (TermsFault.STEP_WITHOUT_CHANGE, _step_without_change),
    (
        TermsFault.PREPAYMENT_UNUSED,
        lambda terms: any(map(_prepayment_unused, terms.payment_rules)),
    ),
    (TermsFault.DOWN_PAYMENT_RULE_UNUSED, _down_payment_rule_unused),
    (TermsFault.BUCKET_REVERSED, _bucket_reversed),
    (TermsFault.BUCKETS_SHARE_A_NAME, _buckets_share_a_name),
    (TermsFault.BUCKETS_APART, _buckets_apart),
    (TermsFault.INSTALMENT_OFF_UNIT, _instalment_off_unit),
    (TermsFault.LATE_FEE_BASE_UNUSED, _late_fee_base_unused),
    (TermsFault.LATE_FEE_MAXIMUM_UNUSED, _late_fee_maximum_unused),
    (TermsFault.LATE_FEE_AFTER_CHARGE_OFF, _late_fee_after_charge_off),
)
