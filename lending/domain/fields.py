"""The vocabulary of fields: constrained types that commands and events are made of.

The constraints are data. The HTTP schema, the codec and the catalogues read them from the
dataclasses; the domain itself trusts the types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Final

from annotated_types import Ge, Le, MaxLen, MinLen


class Erased(Enum):
    """What a personal field reads as after the key of its person was destroyed; or what it reads as
    for whom it is withheld from, its key being there.
    """

    ERASED = "erased"
    WITHHELD = "withheld"


ERASED: Final = Erased.ERASED


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field that tells something about a person: it is stored encrypted, with their key.

    `subject_field` names the sibling field that holds the person's pseudonym; without it the person
    is the application's applicant.
    """

    subject_field: str | None = None


@dataclass(frozen=True, slots=True)
class Digits:
    """Bounds of a decimal number: digits before and after the decimal point."""

    whole: int
    fraction: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression the whole string matches, in the syntax JSON Schema and Rust share."""

    regex: str


@dataclass(frozen=True, slots=True)
class Example:
    """An example value for the documentation, in the form JSON has it."""

    value: object


Amount = Annotated[Decimal, Digits(15, 6), Example("12000.00")]
"""An amount in the application's currency; whether it fits the currency is a rule, no format."""

NonNegativeAmount = Annotated[Decimal, Digits(15, 6), Ge(Decimal(0)), Example("6500.00")]
"""An amount of money that may be zero, such as an income."""

RatePercent = Annotated[Decimal, Digits(4, 6), Ge(Decimal(0)), Example("7.25")]
"""A nominal annual rate in percent."""

ScoreValue = Annotated[Decimal, Digits(9, 6), Example("712")]
"""A score, or an end of its range, on the model's own scale."""

TermMonths = Annotated[int, Ge(1), Le(1200), Example(36)]
"""A term in months."""

Currency = Annotated[str, Pattern("^[A-Z]{3}$"), MinLen(3), MaxLen(3), Example("USD")]
"""An ISO 4217 currency code."""

Code = Annotated[str, Pattern("^[a-z][a-z0-9_-]*$"), MinLen(1), MaxLen(64)]
"""A lower-case name out of a catalogue."""

Name = Annotated[str, Pattern(r"^[^\x00-\x1f\x7f]+$"), MinLen(1), MaxLen(128)]
"""A printable name or number given by someone else: a pseudonym, a reference, a version."""

OfferId = Annotated[
    str, Pattern("^[A-Za-z0-9][A-Za-z0-9._-]*$"), MinLen(1), MaxLen(64), Example("1")
]
"""The name of an offer inside its application."""

FreeText = Annotated[str, MinLen(1), MaxLen(2000)]
"""What somebody wrote, line breaks included. Always personal."""

Sha256 = Annotated[str, Pattern("^[0-9a-f]{64}$"), MinLen(64), MaxLen(64), Example("0" * 64)]
"""A SHA-256 digest in hexadecimal."""

Facts = Annotated[Mapping[Code, Annotated[str, MaxLen(500)]], MaxLen(32)]
"""Named values, each written as a string."""

FactValue = str | int | bool
"""The value of a fact that a credit policy sees: never a float."""
