"""Entering a transaction: from what would happen to the event that says it did, or why it cannot."""

from dataclasses import replace
from datetime import MAXYEAR, date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from lending.domain.application.circumstances import Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.loan.book import LoanBook, LoanStatus
from lending.domain.loan.entries import Act, Entry, Reversed
from lending.domain.servicing.booking import Booked, try_out
from lending.domain.servicing.entries import act_of
from lending.domain.servicing.events import Booking
from lending.domain.servicing.state import MAX_ENTRIES, Loan

YEARS_AHEAD_MAX: Final = 100
"""How far a date that is still to come may be away."""

ONE_DAY: Final = timedelta(days=1)
_NO: Final = Decimal(0)
UNBOOKED: Final = Booking(
    principal=_NO,
    interest=_NO,
    fees=_NO,
    penalties=_NO,
    credit=_NO,
    recovered=_NO,
    balance=_NO,
    status=LoanStatus.ACTIVE,
    through=date.min,
)
"""The booking of an event that is still to be tried."""


class Entered(NamedTuple):
    """An event with its booking, and what was tried for it."""

    event: Any
    tried: Booked

    @property
    def booking(self) -> Booking:
        """What it comes to."""
        return self.tried.booking

    @property
    def book(self) -> LoanBook:
        """The book with it."""
        return self.tried.book


def loan_of(state: Application) -> Loan:
    """The loan of an application that is known to have one."""
    if state.loan is None:
        raise ValueError("there is no loan")
    return state.loan


def enter(loan: Loan, event: Any, given: Circumstances, ahead: int = 0) -> Entered:
    """Book `event` as the next transaction, behind `ahead` others of the same command."""
    act: Act | None = act_of(event)
    if act is None:
        tried = try_out(loan, None, given.effective_on)
        return Entered(replace(event, booking=tried.booking), tried)
    on = given.effective_on
    if isinstance(act, Reversed):
        on = _entry(loan, act.of).on
    entry = Entry(given.version + 1 + ahead, on, act)
    tried = try_out(loan, entry, given.effective_on)
    return Entered(replace(event, booking=tried.booking), tried)


def unfit(loan: Loan, given: Circumstances) -> Refused | None:
    """Why no transaction can be entered now, whatever it is."""
    if given.effective_on < loan.funded_on:
        return Refused(Refusal.EFFECTIVE_BEFORE_FUNDING, f"it was funded on {loan.funded_on}")
    if len(loan.entries) >= MAX_ENTRIES:
        return Refused(Refusal.TOO_MANY_TRANSACTIONS)
    return None


def outside(name: str, day: date, given: Circumstances, first: date) -> Refused | None:
    """Whether `day`, the field `name`, is before `first` or in a year too far away to be meant."""
    last = date(min(given.effective_on.year + YEARS_AHEAD_MAX, MAXYEAR), 12, 31)
    return out_of_range(name, day, first, last)


def out_of_range(name: str, day: date, first: date, last: date) -> Refused | None:
    """Whether `day`, the field `name`, is neither of the two days nor between them."""
    if first <= day <= last:
        return None
    return Refused(Refusal.DATE_OUT_OF_RANGE, f"{name} is {day}: give one from {first} to {last}")


def later_entries(loan: Loan, given: Circumstances) -> Refused | None:
    """Whether transactions that count stand behind the day of one that ends or charges off."""
    later = [entry for entry in loan.counting if entry.on > given.effective_on]
    if not later:
        return None
    return Refused(Refusal.LATER_TRANSACTIONS, f"version {later[0].number}, on {later[0].on}")


def _entry(loan: Loan, number: int) -> Entry:
    entry = loan.entry(number)
    if entry is None:
        raise ValueError(f"there is no entry {number}")
    return entry
