"""Days past due and classes of arrears, as of the day of a book."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from lending.domain.loan.book import Instalment, LoanBook
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Terms


class Delinquency(NamedTuple):
    """Arrears: since when, for how many days, how much, and in which bucket.

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
    overdue = [one for one in book.instalments if one.due < book.on and one.outstanding > ZERO]
    if not overdue:
        return Delinquency(None, 0, 0, ZERO, None)
    past_due_days = (book.on - overdue[0].due).days
    days = delinquent_days(terms, book, overdue[0])
    amount = sum((one.outstanding for one in overdue), ZERO)
    return Delinquency(overdue[0].due, past_due_days, days, amount, bucket(terms, days))


def delinquent_days(terms: Terms, book: LoanBook, instalment: Instalment) -> int:
    """For how many days an unpaid instalment counts as delinquent."""
    past_due_days = (book.on - instalment.due).days - paused_days(book, instalment.due)
    return max(past_due_days - terms.delinquency_grace_days, 0)


def paused_days(book: LoanBook, since: date) -> int:
    """How many of the days since then do not count, because delinquency was paused."""
    spans = ((max(start, since), min(end, book.on)) for start, end in book.delinquency_pauses)
    return sum((end - start).days for start, end in spans if start < end)


def bucket(terms: Terms, days: int) -> str | None:
    """The name of the terms' bucket for so many days, none below the first."""
    for one in terms.delinquency_buckets:
        if one.from_days <= days and (one.to_days is None or days <= one.to_days):
            return one.name
    return None
