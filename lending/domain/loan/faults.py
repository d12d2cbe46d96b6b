"""Terms that cannot be meant: what is wrong with them, before anyone is bound by them.

Here is what contradicts itself for a loan; what no loan would ever do is in `unused`.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, assert_never

from lending.domain.loan.lines import LineKind
from lending.domain.loan.rounding import HUNDRED, ZERO
from lending.domain.loan.schedule import Advance, ScheduledInstalment, schedule
from lending.domain.loan.terms import (
    Amortization,
    Component,
    InterestBasis,
    InterestGrace,
    NegativeAmortization,
    NegativeRate,
    Terms,
)
from lending.domain.money import is_currency, is_exact

_ANY_DAY: Final = date(2026, 1, 1)


class TermsFault(StrEnum):
    """What may be wrong with terms, in the order it is checked."""

    UNKNOWN_CURRENCY = "unknown_currency"
    AMOUNT_TOO_FINE = "amount_too_fine"
    ZERO_AMOUNT = "zero_amount"
    NEGATIVE_RATE = "negative_rate"
    STEPS_OUT_OF_ORDER = "steps_out_of_order"
    STEP_WITHOUT_CHANGE = "step_without_change"
    AMORTIZATION_BELOW_TERM = "amortization_below_term"
    LENGTHENED_BELOW_TERM = "lengthened_below_term"
    GRACE_BEYOND_TERM = "grace_beyond_term"
    PERCENTAGE_ABOVE_ALL = "percentage_above_all"
    ZERO_UNIT = "zero_unit"
    RULES_REPEAT = "rules_repeat"
    ORDER_REPEATS = "order_repeats"
    PREPAYMENT_UNUSED = "prepayment_unused"
    DOWN_PAYMENT_RULE_UNUSED = "down_payment_rule_unused"
    BUCKETS_OVERLAP = "buckets_overlap"
    BUCKET_REVERSED = "bucket_reversed"
    BUCKETS_SHARE_A_NAME = "buckets_share_a_name"
    BUCKETS_APART = "buckets_apart"
    FLAT_BUT_NOT_SCHEDULED = "flat_but_not_scheduled"
    UNUSED_BY_AMORTIZATION = "unused_by_amortization"
    PRINCIPAL_GRACE_UNUSED = "principal_grace_unused"
    INTEREST_GRACE_AS_UNUSED = "interest_grace_as_unused"
    HOLIDAYS_UNUSED = "holidays_unused"
    DAY_COUNT_UNUSED = "day_count_unused"
    LEVEL_INTEREST_UNUSED = "level_interest_unused"
    INTEREST_AFTER_MATURITY_UNUSED = "interest_after_maturity_unused"
    INSTALMENT_UNIT_UNUSED = "instalment_unit_unused"
    INSTALMENT_OFF_UNIT = "instalment_off_unit"
    LEVEL_FIXED_AND_COMPUTED = "level_fixed_and_computed"
    PRECISION_UNUSED = "precision_unused"
    SPREAD_UNUSED = "spread_unused"
    KEEP_INSTALMENT_UNUSED = "keep_instalment_unused"
    PAYMENT_CAP_UNUSED = "payment_cap_unused"
    LENGTHENED_UNUSED = "lengthened_unused"
    NEGATIVE_AMORTIZATION_UNUSED = "negative_amortization_unused"
    DOWN_PAYMENT_MODE_UNUSED = "down_payment_mode_unused"
    FEE_OF_NOTHING = "fee_of_nothing"
    LATE_FEE_BASE_UNUSED = "late_fee_base_unused"
    LATE_FEE_MAXIMUM_UNUSED = "late_fee_maximum_unused"
    LATE_FEE_AFTER_CHARGE_OFF = "late_fee_after_charge_off"
    FIRST_PERIOD_WITHOUT_DUE_DAY = "first_period_without_due_day"
    NEVER_AMORTISES = "never_amortises"


def faults(terms: Terms, principal: Decimal) -> tuple[TermsFault, ...]:
    """What is wrong with `terms` for a loan of `principal`; nothing, usually.

    Whether they ever amortise shows in their schedule: it is asked of terms that have no other fault.
    """
    if not is_currency(terms.currency):
        return (TermsFault.UNKNOWN_CURRENCY,)
    found = tuple(_faults(terms, principal))
    if not found and _never_amortises(terms, principal):
        return (TermsFault.NEVER_AMORTISES,)
    return found


def _faults(terms: Terms, principal: Decimal) -> Iterator[TermsFault]:
    checks = (
        (TermsFault.AMOUNT_TOO_FINE, _too_fine(terms, principal)),
        (TermsFault.NEGATIVE_RATE, _negative_rate(terms)),
        (TermsFault.STEPS_OUT_OF_ORDER, _steps_out_of_order(terms)),
        (TermsFault.AMORTIZATION_BELOW_TERM, _amortization_below_term(terms)),
        (TermsFault.LENGTHENED_BELOW_TERM, _lengthened_below_term(terms)),
        (TermsFault.GRACE_BEYOND_TERM, _grace_beyond_term(terms)),
        (TermsFault.PERCENTAGE_ABOVE_ALL, _percentage_above_all(terms)),
        (TermsFault.ZERO_UNIT, terms.instalment_unit == ZERO),
        (TermsFault.RULES_REPEAT, _repeats([rule.kind for rule in terms.payment_rules])),
        (TermsFault.ORDER_REPEATS, _orders_repeat(terms)),
        (TermsFault.BUCKETS_OVERLAP, _buckets_overlap(terms)),
        (TermsFault.FLAT_BUT_NOT_SCHEDULED, _flat_but_not_scheduled(terms)),
        (TermsFault.UNUSED_BY_AMORTIZATION, _unused_by_amortization(terms)),
        (TermsFault.FEE_OF_NOTHING, _fee_of_nothing(terms)),
        (
            TermsFault.FIRST_PERIOD_WITHOUT_DUE_DAY,
            terms.due_day is None and terms.first_period_days > 0,
        ),
    )
    return (fault for fault, holds in checks if holds)


def _too_fine(terms: Terms, principal: Decimal) -> bool:
    fixed = [principal, terms.instalment_amount, terms.instalment_unit, terms.write_off_below]
    fixed += [fee.amount for fee in (terms.instalment_fee, terms.origination_fee) if fee]
    late = terms.late_fee
    fixed += [late.amount, late.maximum, late.shortfall_min] if late else []
    return any(amount is not None and not is_exact(amount, terms.currency) for amount in fixed)


def _negative_rate(terms: Terms) -> bool:
    rates = [terms.rate_percent, *(step.rate_percent for step in terms.rate_steps)]
    return terms.negative_rate is NegativeRate.REFUSED and min(rates) < ZERO


def _steps_out_of_order(terms: Terms) -> bool:
    starts = [1, *(step.from_instalment for step in terms.rate_steps)]
    return starts[-1] > terms.instalments or any(a >= b for a, b in pairwise(starts))


def _amortization_below_term(terms: Terms) -> bool:
    count = terms.amortization_instalments
    return count is not None and count < terms.instalments


def _lengthened_below_term(terms: Terms) -> bool:
    """As many instalments as there are let a kept one take no more; fewer are nothing to keep to."""
    most = terms.lengthened_instalments_max
    return most is not None and most < terms.instalments


def _grace_beyond_term(terms: Terms) -> bool:
    """Nothing is left to pay what is put off; interest alone may be waived to the end."""
    waived = terms.interest_grace_as is InterestGrace.WAIVED
    most = terms.instalments if waived else terms.instalments - 1
    return terms.principal_grace >= terms.instalments or terms.interest_grace > most


def _percentage_above_all(terms: Terms) -> bool:
    """What is paid first and what is left to the end are parts of the same principal."""
    return (terms.balloon_percent or ZERO) + (terms.down_payment_percent or ZERO) >= HUNDRED


def _repeats(values: list[object]) -> bool:
    return len(values) != len(set(values))


def _orders_repeat(terms: Terms) -> bool:
    back = sorted(terms.charge_back_order) != sorted(Component)
    return back or any(_repeats(list(rule.order)) for rule in terms.payment_rules)


def _buckets_overlap(terms: Terms) -> bool:
    return any(
        low.to_days is None or low.to_days >= high.from_days
        for low, high in pairwise(terms.delinquency_buckets)
    )


def _flat_but_not_scheduled(terms: Terms) -> bool:
    flat = terms.amortization is Amortization.FLAT
    return flat and terms.interest_basis is not InterestBasis.SCHEDULED


def _unused_by_amortization(terms: Terms) -> bool:
    """A level payment where none is level, or a balloon where all principal is one anyway."""
    levels = (terms.instalment_amount, terms.amortization_instalments)
    match terms.amortization:
        case Amortization.EQUAL_INSTALMENTS:
            unused: tuple[object, ...] = ()
        case Amortization.INTEREST_ONLY:
            unused = (*levels, terms.balloon_percent)
        case Amortization.EQUAL_PRINCIPAL | Amortization.FLAT:
            unused = levels
        case _:
            assert_never(terms.amortization)
    return any(one is not None for one in unused)


def _fee_of_nothing(terms: Terms) -> bool:
    """A fee that names neither an amount nor a percentage, or nothing of both."""
    fees = (terms.origination_fee, terms.late_fee)
    return any(fee is not None and not (fee.amount or fee.percent) for fee in fees)


def _never_amortises(terms: Terms, principal: Decimal) -> bool:
    """A level payment of which nothing is left for principal, in any instalment but the last.

    Where a cap on payments, or negative amortisation, is agreed that may well be.
    """
    grows = terms.negative_amortization is NegativeAmortization.ALLOWED
    capped = terms.payment_cap_percent is not None
    if terms.amortization is not Amortization.EQUAL_INSTALMENTS or grows or capped:
        return False
    before = _paying(terms, principal)[:-1]
    return any(not one.principal and one.balance > ZERO for one in before)


def repaid_at_once(terms: Terms, principal: Decimal) -> bool:
    """Whether a fixed level payment leaves nothing of `principal` to any instalment but the first."""
    if not terms.instalment_amount:
        return False
    before = _paying(terms, principal)[:-1]
    return bool(before) and not before[0].balance


def _paying(terms: Terms, principal: Decimal) -> list[ScheduledInstalment]:
    """The instalments that repay principal; none where they cannot be computed.

    A term or a rate beyond all bounds is looked at elsewhere.
    """
    try:
        planned = schedule(terms, [Advance(_ANY_DAY, principal)]).instalments
    except (OverflowError, ArithmeticError):
        return []
    return [one for one in planned if one.kind is LineKind.INSTALMENT][terms.principal_grace :]
