"""Level payments: the five quantities of an annuity, and how one payment divides.

The equation is the spreadsheets' (OpenDocument 1.3, part 4, section 6.12):
    pv (1 + r)^n + pmt (1 + r w) ((1 + r)^n - 1) / r + fv = 0,
with w 1 where payments come at the beginning of a period and 0 at its end. What is received is
positive, what is paid negative. Rates are fractions a period, not percent. Figures have the digits of
the caller's decimal context.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum


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
        return -(pv * self._growth + fv) / self._accumulated

    def present_value(self, payment: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """PV: what the payments are worth now. Raises NoAnnuity at a rate of -1."""
        _require(self.rate != -1, "a rate of -1 leaves nothing")
        return -(fv + payment * self._accumulated) / self._growth

    def future_value(self, payment: Decimal, pv: Decimal = Decimal(0)) -> Decimal:
        """FV: what is there after the last period."""
        return -(pv * self._growth + payment * self._accumulated)

    def interest_part(self, number: int, pv: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """IPMT: the interest in payment `number`, counted from 1. Raises NoAnnuity."""
        _require(1 <= number <= self.nper, "there is no such payment")
        if self.when is When.BEGIN and number == 1:
            return Decimal(0)
        payment = self.payment(pv, fv)
        before = Annuity(rate=self.rate, nper=number - 1, when=self.when)
        interest = before.future_value(payment, pv) * self.rate
        return interest / (1 + self.rate) if self.when is When.BEGIN else interest

    def principal_part(self, number: int, pv: Decimal, fv: Decimal = Decimal(0)) -> Decimal:
        """PPMT: what payment `number` repays. Raises NoAnnuity."""
        return self.payment(pv, fv) - self.interest_part(number, pv, fv)

    @property
    def _growth(self) -> Decimal:
        return (1 + self.rate) ** self.nper

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
        return -(fv + pv) / payment
    _require(rate > -1, "a rate of -1 or less leaves nothing")
    level = payment * (1 + rate * when) / rate
    numerator, denominator = level - fv, level + pv
    _require(
        denominator != 0 and numerator / denominator > 0,
        "the payments never amount to what is owed",
    )
    found = (numerator / denominator).ln() / (1 + rate).ln()
    _require(found >= 0, "what is owed only grows")
    return found


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise NoAnnuity(why)
