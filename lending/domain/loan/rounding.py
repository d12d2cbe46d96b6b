"""Roundings that terms name, as functions made once for a loan."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from lending.domain.loan.terms import Terms
from lending.domain.money import MINOR_UNIT_DIGITS, Rounding

Round = Callable[[Decimal], Decimal]
"""An exact amount to one that can be owed."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
HUNDRED: Final = Decimal(100)
KNOWN_DIGITS: Final = 22
"""Digits of an amount of interest that the roundings on its way leave alone."""


def interest_rounder(terms: Terms) -> Round:
    """Rounds the interest of an instalment to the currency's minor unit.

    A twelfth has no end in decimals: 134,364.00 at 6.5 % bears exactly 727.805 a month, computed as
    727.80499999999999999999999. So that half a cent is half a cent, the last of the 28 digits are
    rounded away first.
    """
    to_minor = _to_quantum(quantum(terms), terms.interest_rounding)
    known = Context(prec=KNOWN_DIGITS, rounding=ROUND_HALF_EVEN)
    return lambda amount: to_minor(known.plus(amount))


def cents_rounder(terms: Terms) -> Round:
    """Rounds an amount that is no interest to the currency's minor unit."""
    return _to_quantum(quantum(terms), terms.instalment_rounding)


def instalment_rounder(terms: Terms) -> Round:
    """Rounds a level payment to the currency's minor unit, or to multiples of the terms' unit."""
    to_cents = cents_rounder(terms)
    unit = terms.instalment_unit
    if not unit:
        return to_cents
    to_whole = _to_quantum(ONE, terms.instalment_rounding)
    return lambda amount: to_cents(to_whole(amount / unit) * unit)


def zero(terms: Terms) -> Decimal:
    """Nothing, in the currency's digits."""
    return ZERO.quantize(quantum(terms))


def quantum(terms: Terms) -> Decimal:
    """The currency's minor unit."""
    return ONE.scaleb(-MINOR_UNIT_DIGITS[terms.currency])


def _to_quantum(quantum: Decimal, rounding: Rounding) -> Round:
    mode = f"ROUND_{rounding.value.upper()}"
    return lambda amount: amount.quantize(quantum, mode)
