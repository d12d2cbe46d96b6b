"""Checks of amounts that several commands share."""

from decimal import Decimal

from lending.domain import money
from lending.domain.application.refusals import Refusal, Refused


def wrong_amount(amount: Decimal, name: str, currency: str) -> Refused | None:
    """Why `amount`, the field `name`, is no amount of credit in `currency`, if it is none."""
    if amount <= 0:
        return Refused(Refusal.AMOUNT_NOT_POSITIVE, name)
    return too_fine(amount, name, currency)


def too_fine(amount: Decimal | None, name: str, currency: str) -> Refused | None:
    """Whether `amount`, the field `name`, has more decimal places than `currency`."""
    if amount is None or money.is_exact(amount, currency):
        return None
    digits = money.MINOR_UNIT_DIGITS[currency]
    return Refused(Refusal.AMOUNT_TOO_FINE, f"{name}: {currency} has {digits} decimal places")


def in_currency(amount: Decimal | None, currency: str) -> Decimal | None:
    """`amount`, if there is one, with exactly the currency's digits."""
    return None if amount is None else money.in_currency(amount, currency)
