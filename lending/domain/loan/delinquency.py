"""Days past due and classes of arrears, as of the day of a book."""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from lending.domain.loan.book import LoanBook
from lending.domain.loan.rounding import ZERO, zero
from lending.domain.loan.terms import DelinquencyBucket, Terms

BY_THIRTY_DAYS: Final = (
    DelinquencyBucket(name="1-29", from_days=1, to_days=29),
    DelinquencyBucket(name="30-59", from_days=30, to_days=59),
    DelinquencyBucket(name="60-89", from_days=60, to_days=89),
    DelinquencyBucket(name="90+", from_days=90),
)
"""The classes of arrears where terms name none."""


class Delinquency(NamedTuple):
    """Arrears: since when, for how many days, how much, and in which bucket.

    `amount` is all that fell due before the day and is unpaid, charges by their own due dates.
    `past_due_days` run from the oldest unpaid due date. `delinquent_days` are those less the terms'
    grace and the days of pauses; they choose the bucket.
    """

    since: date | None
    past_due_days: int
    delinquent_days: int
    amount: Decimal
    bucket: str | None


def delinquency(terms: Terms, book: LoanBook) -> Delinquency:
    """The arrears of a loan."""
    overdue = [due for due, left in book.unpaid() if due < book.on and left.total > ZERO]
    if not overdue:
        return Delinquency(None, 0, 0, zero(terms), None)
    since = min(overdue)
    days = delinquent_days(terms, book, since)
    return Delinquency(since, (book.on - since).days, days, book.overdue, bucket(terms, days))


def delinquent_days(terms: Terms, book: LoanBook, since: date) -> int:
    """For how many days something that fell due on a day and is unpaid counts as delinquent."""
    past_due_days = (book.on - since).days - paused_days(book, since)
    return max(past_due_days - terms.delinquency_grace_days, 0)


def paused_days(book: LoanBook, since: date) -> int:
    """How many of the days since then do not count, because delinquency was paused."""
    spans = ((max(start, since), min(end, book.on)) for start, end in book.delinquency_pauses)
    return sum((end - start).days for start, end in spans if start < end)


def buckets(terms: Terms) -> tuple[DelinquencyBucket, ...]:
    """The classes of arrears of a loan: those of its terms, else those by thirty days."""
    return terms.delinquency_buckets or BY_THIRTY_DAYS


def bucket(terms: Terms, days: int) -> str | None:
    """The name of the terms' bucket for so many days, none below the first."""
    for one in buckets(terms):
        if one.from_days <= days and (one.to_days is None or days <= one.to_days):
            return one.name
    return None
