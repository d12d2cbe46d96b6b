"""Level payments: the quantities of an annuity, and how one payment divides.

The equation is the spreadsheets' (OpenDocument 1.3, part 4, section 6.12):
    pv (1 + r)^n + pmt (1 + r w) ((1 + r)^n - 1) / r + fv = 0,
with w 1 where payments come at the beginning of a period and 0 at its end. What is received is
positive, what is paid negative. Rates are fractions a period, not percent. Figures have the digits of
the caller's decimal context.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import IntEnum
from typing import Final

from lending.domain.cash_flows import irr

_GUARD_DIGITS: Final = 10
NPER_MAX: Final = 10_000
"""Payments of an annuity whose rate is looked for, at most."""


class When(IntEnum):
    """When in a period a payment is made."""

    END = 0
    BEGIN = 1


class NoAnnuity(ValueError):
    """No number satisfies the equation: the payments never amount to what is owed, or cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annuity:
    """`nper` payments at `rate` a period."""

    rate: Decimal
    nper: int
    when: When = When.END

    def payment(self, pv: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """PMT: the level payment. Raises NoAnnuity."""
        _require(self.nper > 0, "there is no payment")
        with _more_digits(self.rate):
            accumulated = self._accumulated
            _require(accumulated != 0, "payments before a rate of -1 leave nothing")
            found = -(pv * self._growth + fv) / accumulated
        return +found

    def present_value(self, payment: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """PV: what the payments are worth now. Raises NoAnnuity at a rate of -1."""
        _require(self.rate != -1, "a rate of -1 leaves nothing")
        with _more_digits(self.rate):
            found = -(fv + payment * self._accumulated) / self._growth
        return +found

    def future_value(self, payment: Decimal, pv: Decimal = Decimal(0)) -> Decimal:
        """FV: what is there after the last period."""
        with _more_digits(self.rate):
            found = -(pv * self._growth + payment * self._accumulated)
        return +found

    def interest_part(self, number: int, pv: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """IPMT: the interest in payment `number`, counted from 1. Raises NoAnnuity.

        It is that on what the payments still to come are worth: what was lent, grown, less what was
        paid would have no digits left late in a long life at a high rate.
        """
        _require(1 <= number <= self.nper, "there is no such payment")
        if self.when is When.BEGIN and number == 1:
            return Decimal(0)
        with _more_digits(self.rate):
            to_come = Annuity(rate=self.rate, nper=self.nper - number + 1, when=self.when)
            found = -to_come.present_value(self.payment(pv, fv), fv) * self.rate
            if self.when is When.BEGIN:
                found /= 1 + self.rate
        return +found

    def principal_part(self, number: int, pv: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """PPMT: what payment `number` repays. Raises NoAnnuity."""
        with _more_digits(self.rate):
            found = self.payment(pv, fv) - self.interest_part(number, pv, fv)
        return +found

    @property
    def _growth(self) -> Decimal:
        return (1 + self.rate) ** self.nper if self.nper else Decimal(1)

    @property
    def _accumulated(self) -> Decimal:
        """What payments of 1 have grown to after the last period."""
        if not self.rate:
            return Decimal(self.nper)
        return (1 + self.rate * self.when) * (self._growth - 1) / self.rate


def periods(
    rate: Decimal,
    payment: Decimal,
    pv: Decimal,
    fv: Decimal = Decimal(0),
    when: When = When.END,
) -> Decimal:
    """NPER: after how many payments, whole or not, `fv` is reached. Raises NoAnnuity."""
    if not rate:
        _require(payment != 0, "nothing is paid")
        found = -(fv + pv) / payment
    else:
        _require(rate > -1, "a rate of -1 or less leaves nothing")
        with _more_digits(rate):
            level = payment * (1 + rate * when) / rate
            numerator, denominator = level - fv, level + pv
            _require(
                denominator != 0 and numerator / denominator > 0,
                "the payments never amount to what is owed",
            )
            found = (numerator / denominator).ln() / (1 + rate).ln()
    _require(found >= 0, "what is owed only grows")
    return +found


def periodic_rate(
    nper: int,
    payment: Decimal,
    pv: Decimal,
    fv: Decimal = Decimal(0),
    when: When = When.END,
) -> Decimal:
    """RATE: the one rate a period at which `nper` payments make `fv` of `pv`.

    Raises NoAnnuity for no payment or more than NPER_MAX, NoRate where there is no rate, and
    ManyRates where there are several, as there may be when `pv` and `fv` have the same sign.
    """
    _require(0 < nper <= NPER_MAX, f"there are no payments, or more than {NPER_MAX}")
    values = (
        [Decimal(0), *[payment] * nper] if when is When.END else [*[payment] * nper, Decimal(0)]
    )
    values[0] += pv
    values[-1] += fv
    return irr(values)


@contextmanager
def _more_digits(rate: Decimal) -> Iterator[None]:
    """Digits for what cancels: (1 + r)^n - 1 loses as many as r has zeros."""
    with localcontext() as context:
        context.prec += _GUARD_DIGITS + (max(0, -rate.adjusted()) if rate else 0)
        yield


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise NoAnnuity(why)
