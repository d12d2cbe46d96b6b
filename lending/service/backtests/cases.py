"""One decision on record and what a policy answers to it: what the processes of a backtest hand over."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class NotCompared(StrEnum):
    """Why a decision has no answer to be compared with."""

    FACTS_MISSING = "facts_missing"
    """The application lacked facts that the policy needs."""
    FACTS_ERASED = "facts_erased"
    """They were given, and are gone with the key of their person."""
    FAULTY = "faulty"
    """The policy gave no answer that could be a decision."""


class Case(NamedTuple):
    """A decision: where it stands, what it was about, what is on record, and what is answered.

    Everything is text or a whole number, so that it is JSON as it is. `answered` is None where
    `not_compared` says why, and `detail` what in particular: facts, or the kind of the fault.
    `other_terms` tells a counter-offer that differs from the one on record.
    """

    application_id: str
    shard: int
    position: int
    version: int
    currency: str
    amount: str
    term_months: int | None
    credit_kind: str
    made_by: str
    year: int
    recorded: str
    recorded_reasons: list[str]
    answered: str | None = None
    reasons: list[str] = []  # noqa: RUF012 a tuple would come back from JSON as a list
    other_terms: bool = False
    not_compared: str | None = None
    detail: str = ""

    @property
    def flipped(self) -> bool:
        """Whether the policy would have decided otherwise."""
        return self.answered is not None and (self.answered != self.recorded or self.other_terms)


_BANDS: tuple[tuple[int, str], ...] = (
    (1_000, "under 1,000"),
    (5_000, "1,000 to 4,999"),
    (10_000, "5,000 to 9,999"),
    (25_000, "10,000 to 24,999"),
    (50_000, "25,000 to 49,999"),
    (100_000, "50,000 to 99,999"),
)
_TERMS: tuple[tuple[int, str], ...] = (
    (12, "up to 12 months"),
    (36, "13 to 36 months"),
    (60, "37 to 60 months"),
)


def segments(case: Case) -> dict[str, str]:
    """The segments that a decision belongs to, by kind; amounts are in units of their currency."""
    return {
        "currency": case.currency,
        "credit_kind": case.credit_kind,
        "amount": _amount_band(Decimal(case.amount)),
        "term": _term_band(case.term_months),
        "made_by": case.made_by,
        "year": str(case.year),
    }


def _amount_band(amount: Decimal) -> str:
    return next((name for bound, name in _BANDS if amount < bound), "100,000 and more")


def _term_band(months: int | None) -> str:
    if months is None:
        return "none given"
    return next((name for bound, name in _TERMS if months <= bound), "61 months and more")
