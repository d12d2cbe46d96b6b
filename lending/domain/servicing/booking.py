"""What a transaction comes to: the loan computed with it, against the loan without.

What belongs here: replaying, finding which earlier transactions came to something else, and the
postings. The rules about what may be booked are where the commands are decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Final

from lending.domain import money
from lending.domain.loan.account import Account
from lending.domain.loan.book import Allocation, Instalment, LoanBook, Sums
from lending.domain.loan.engine import fold, replay
from lending.domain.loan.entries import Entry, Reversed
from lending.domain.loan.journal import Posting
from lending.domain.loan.position import difference, position
from lending.domain.loan.reading import allocation_of, allocations_of, book_of, status_of
from lending.domain.loan.schedule import ScheduledInstalment
from lending.domain.servicing.events import BindingSchedule, Booking, Reallocated
from lending.domain.servicing.state import Loan

REALLOCATED_MAX: Final = 200
"""Changed transactions that are named in one event; how many more there are is said."""

_NOTHING: Final = Sums()
_NO: Final = Decimal(0)


@dataclass(frozen=True)
class Booked:
    """A transaction that was tried: its booking, and the account with it, as of `on`."""

    booking: Booking
    account: Account
    on: date

    @cached_property
    def book(self) -> LoanBook:
        """The book with it: of no use to most transactions, and half as much work again."""
        return book_of(self.account, self.on)


def try_out(loan: Loan, entry: Entry | None, on: date) -> Booked:
    """What an entry that counts from `on` would come to; None: the days until then alone.

    The loan is computed to `on`, or to the day it was computed to last, if that is later.
    """
    terms = loan.known_terms
    entries = loan.entries if entry is None else (*loan.entries, entry)
    through = max(loan.through, on)
    account = fold(terms, entries, through)
    moved = difference(loan.accounts, position(terms, entries, through, account))
    own = None if entry is None else allocation_of(account, entry.number)
    changed = [] if entry is None else _changed(loan, entry, account, through)
    booking = replace(
        _booking(account, own, through),
        postings=tuple(
            Posting(one.account, money.in_currency(one.amount, terms.currency)) for one in moved
        ),
        reallocated=tuple(changed[:REALLOCATED_MAX]),
        left_out=max(len(changed) - REALLOCATED_MAX, 0),
    )
    return Booked(booking, account, through)


def book_on(loan: Loan, on: date) -> LoanBook:
    """The book at the end of a day, of what is on record."""
    return replay(loan.known_terms, loan.entries, on)


def to_come(book: LoanBook, currency: str) -> BindingSchedule:
    """The instalments that have not fallen due, as they are owed now."""
    lines = [one for one in book.instalments if one.due > book.on]
    fees = [money.in_currency(one.owed.fees + one.owed.penalties, currency) for one in lines]
    return BindingSchedule(
        due_on=tuple(one.due for one in lines),
        principal=tuple(money.in_currency(one.owed.principal, currency) for one in lines),
        interest=tuple(money.in_currency(one.owed.interest, currency) for one in lines),
        fees=tuple(fees) if any(fees) else (),
        agreed=agreed_of(lines),
    )


def agreed_of(lines: Sequence[ScheduledInstalment | Instalment]) -> tuple[date, ...]:
    """The due dates agreed, where any of them is no business day."""
    moved = any(one.agreed != one.due for one in lines)
    return tuple(one.agreed for one in lines) if moved else ()


def _changed(loan: Loan, entry: Entry, account: Account, through: date) -> list[Reallocated]:
    """The earlier entries that come to something else, in the order of recording.

    Nothing before an entry in the order of days can change, so only one that stands before another
    is compared.
    """
    if not isinstance(entry.act, Reversed) and all(one.on <= entry.on for one in loan.entries):
        return []
    terms = loan.known_terms
    before = allocations_of(fold(terms, loan.entries, through))
    after = allocations_of(account)
    numbers = [one.number for one in loan.entries if one.number in after]
    found = (_more(number, before, after, terms.currency) for number in numbers)
    return [one for one in found if one is not None]


def _more(
    number: int,
    before: Mapping[int, Allocation],
    after: Mapping[int, Allocation],
    currency: str,
) -> Reallocated | None:
    was, now = before.get(number), after[number]
    more = [new - old for new, old in zip(_amounts(now), _amounts(was), strict=True)]
    if not any(more):
        return None
    amounts = (money.in_currency(one, currency) for one in more)
    principal, interest, fees, penalties, credit, recovered = amounts
    return Reallocated(
        version=number,
        principal=principal,
        interest=interest,
        fees=fees,
        penalties=penalties,
        credit=credit,
        recovered=recovered,
    )


def _amounts(one: Allocation | None) -> tuple[Decimal, ...]:
    return (*_NOTHING, _NO, _NO) if one is None else (*one.sums, one.credit, one.recovered)


def _booking(account: Account, own: Allocation | None, through: date) -> Booking:
    currency = account.terms.currency
    sums = _NOTHING if own is None else own.sums
    credit, recovered = (Decimal(0),) * 2 if own is None else (own.credit, own.recovered)
    left = account.principal + account.capitalised_in_grace()
    amounts = [money.in_currency(one, currency) for one in (*sums, credit, recovered, left)]
    principal, interest, fees, penalties, credit, recovered, balance = amounts
    return Booking(
        principal=principal,
        interest=interest,
        fees=fees,
        penalties=penalties,
        credit=credit,
        recovered=recovered,
        balance=balance,
        status=status_of(account),
        through=through,
    )
