"""The engine: from the entries of a loan to its book, as a pure function.

Entries count in the order of their dates, on one date in the order of recording. Nothing is kept
between replays: a correction is another list of entries, and the difference of two books is what it
changed.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from lending.domain.loan.account import Account
from lending.domain.loan.acts import perform
from lending.domain.loan.book import LoanBook, Sums
from lending.domain.loan.credit import run_to
from lending.domain.loan.entries import MOVES, Boarded, Disbursed, Entry, RateChanged, Reversed
from lending.domain.loan.reading import book_of, payable_of, payoff_of
from lending.domain.loan.terms import RateChangeDay, Terms

_ONE_DAY: Final = timedelta(days=1)


def replay(terms: Terms, entries: Iterable[Entry], on: date) -> LoanBook:
    """The book of a loan at the end of `on`: entries of later days and reversed ones do not count."""
    account = fold(terms, entries, on)
    return book_of(account, on)


def fold(terms: Terms, entries: Iterable[Entry], on: date) -> Account:
    """The account after all entries up to `on`, accrued to that day."""
    known = list(entries)
    counting = in_force(terms, known, on)
    account = Account(terms, start_of(counting, on))
    for entry in known:
        if isinstance(entry.act, MOVES):
            account.know_business_days(entry.act.moved)
    for entry in counting:
        post(account, entry)
    run_to(account, on)
    return account


def in_force(terms: Terms, entries: Iterable[Entry], on: date) -> list[Entry]:
    """The entries that count on `on`, in the order in which they do."""
    known = [entry for entry in entries if entry.on <= on]
    gone = {entry.act.of for entry in known if isinstance(entry.act, Reversed)}
    left = [
        entry for entry in known if entry.number not in gone and not isinstance(entry.act, Reversed)
    ]
    return sorted(left, key=lambda entry: (_counts_from(terms, entry), entry.number))


def post(account: Account, entry: Entry) -> None:
    """Let the days pass until the entry counts, and let it count."""
    day = _counts_from(account.terms, entry)
    run_to(account, day)
    account.record(entry.number, perform(account, entry.act, entry.number, day))


def _counts_from(terms: Terms, entry: Entry) -> date:
    if isinstance(entry.act, RateChanged) and terms.rate_change_day is RateChangeDay.DAY_BEFORE:
        return entry.on - _ONE_DAY
    return entry.on


def start_of(entries: list[Entry], on: date) -> date:
    """Where the first period begins: with the first funding, `on` if there is none."""
    for entry in entries:
        match entry.act:
            case Disbursed(start=start):
                return start or entry.on
            case Boarded(paid_through=paid_through):
                return paid_through
            case _:
                pass
    return on


def quote(terms: Terms, entries: Iterable[Entry], on: date, due_on: date) -> Sums:
    """What the instalment due on `due_on` would take on `on`, interest to that day."""
    account = fold(terms, entries, on)
    return payable_of(account, due_on, on)


def payoff(terms: Terms, entries: Iterable[Entry], on: date) -> Sums:
    """What would pay the loan off on `on`, interest to that day or as the terms have it."""
    return payoff_of(fold(terms, entries, on), on)
