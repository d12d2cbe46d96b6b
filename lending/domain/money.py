"""Amounts of money: ISO 4217 minor units, exactness, and how an amount is written."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Final

WHOLE_DIGITS: Final = 15
"""Digits an amount may have before the decimal point (below one quadrillion)."""


def _with_digits(digits: int, codes: str) -> Mapping[str, int]:
    return dict.fromkeys(codes.split(), digits)


MINOR_UNIT_DIGITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **_with_digits(0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        **_with_digits(
            2,
            "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN "
            "BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB "
            "EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS "
            "KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
            "MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
            "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS "
            "UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
        ),
        **_with_digits(3, "BHD IQD JOD KWD LYD OMR TND"),
        **_with_digits(4, "CLF UYW"),
    }
)
"""Digits after the decimal point of each currency that has a minor unit.

Source: ISO 4217:2015, list one as of 2026-01-01, with ANG and BGN, which left it in 2025 and 2026,
for loans that were made in them.
"""

_QUANTUM: Final = tuple(Decimal(1).scaleb(-digits) for digits in range(5))


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 currency that has a minor unit."""
    return code in MINOR_UNIT_DIGITS


def is_exact(amount: Decimal, currency: str) -> bool:
    """Whether `amount` is a whole number of the currency's minor units."""
    return amount == amount.quantize(_QUANTUM[MINOR_UNIT_DIGITS[currency]])


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """`amount` with exactly the currency's digits; the caller has checked `is_exact`."""
    return amount.quantize(_QUANTUM[MINOR_UNIT_DIGITS[currency]]) + 0  # so that there is no -0.00


class Rounding(StrEnum):
    """How an amount between two others is rounded.

    The halves go to the nearer, and from the middle to the even one, away from zero (`up`) or
    towards it (`down`); `up` and `down` always do, `ceiling` and `floor` go to the greater and the
    less (General Decimal Arithmetic Specification 1.70, "rounding").
    """

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    UP = "up"
    DOWN = "down"
    CEILING = "ceiling"
    FLOOR = "floor"


def split(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """`amount` in parts in proportion to `weights`, by the largest remainder (Hamilton).

    The parts have the currency's digits and sum to the amount exactly; of equal remainders the
    earlier gets the unit. The caller has checked that the amount is exact, that no weight is below
    zero and that one is above it.
    """
    unit = _QUANTUM[MINOR_UNIT_DIGITS[currency]]
    units, exact = int(abs(amount) / unit), [Fraction(weight) for weight in weights]
    total = sum(exact)
    shares = [units * weight / total for weight in exact]
    parts = [floor(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda n: parts[n] - shares[n])
    for number in by_remainder[: units - sum(parts)]:
        parts[number] += 1
    signed = unit.copy_sign(amount)
    return [part * signed + 0 for part in parts]
