"""Reading loans: their lines, statements and payoff quotes, at any moment of the record."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from lending.domain.application.state import Offer
from lending.domain.loan.book import LoanBook
from lending.domain.loan.delinquency import Delinquency
from lending.domain.loan.due_dates import due_dates
from lending.domain.servicing import statement as views
from lending.domain.servicing.disclosure import Plan, plan
from lending.domain.servicing.state import Loan
from lending.domain.servicing.statement import Balances, PayoffQuote, Statement
from lending.runtime import limits
from lending.service.aggregates import Aggregate
from lending.service.calendars import business_days
from lending.service.history import History, Moment
from lending.service.requests import RequestFault

_STATEMENT: Final = timedelta(days=limits.STATEMENT_MAX_DAYS)
_AHEAD: Final = timedelta(days=limits.PAYOFF_QUOTE_AHEAD_MAX_DAYS)


class NoLoan(RequestFault):
    """Nothing was paid out at that moment, or without terms: there is nothing to compute."""


class DayOutOfRange(RequestFault):
    """The loan says nothing of that day, or of so long a time."""


class LoanAt(NamedTuple):
    """A loan at a moment of the record."""

    application_id: UUID
    aggregate: Aggregate
    loan: Loan


class Lines(NamedTuple):
    """The lines of a loan at the end of a day, what is owed, and the arrears."""

    book: LoanBook
    balances: Balances
    delinquency: Delinquency


class OfferedLoan(NamedTuple):
    """The loan that an offer would be."""

    application_id: UUID
    aggregate: Aggregate
    offer: Offer
    planned: Plan


class Loans:
    """Answers what is asked of one loan, from the log alone."""

    def __init__(self, history: History, zone: ZoneInfo, clock: Callable[[], datetime]) -> None:
        self._history = history
        self._zone = zone
        self._clock = clock

    async def at(self, application_id: UUID, moment: Moment) -> LoanAt:
        """The loan as it was on record at a moment. Raises NoLoan, UnknownMoment."""
        aggregate = await self._history.seen(application_id, moment)
        loan = aggregate.state.loan
        if loan is None:
            raise NoLoan(f"application {application_id} has no loan that was paid out")
        if loan.terms is None:
            raise NoLoan("the loan was paid out without terms: set terms first")
        return LoanAt(application_id, aggregate, loan)

    def lines(self, found: LoanAt, on: date | None) -> Lines:
        """The lines at the end of a day, today if none is given. Raises DayOutOfRange."""
        day = self._day(found.loan, on)
        return Lines(*views.lines(found.loan, day))

    def statement(self, found: LoanAt, start: date | None, end: date | None) -> Statement:
        """What happened from one day to another; since funding, until today. Raises DayOutOfRange."""
        funded = found.loan.funded_on
        last = self._day(found.loan, end)
        first = start or funded
        if first > last or last - first > _STATEMENT:
            raise DayOutOfRange(
                f"a statement is of at most {_STATEMENT.days} days, and ends after it begins"
            )
        return views.statement(found.loan, first, last)

    def payoff_quote(self, found: LoanAt, on: date | None) -> PayoffQuote:
        """What pays the loan off on a day, today if none is given. Raises DayOutOfRange."""
        day = on or max(self.today, found.loan.through)
        if day < found.loan.through or day > self.today + _AHEAD:
            raise DayOutOfRange(
                f"a quote is for {found.loan.through} at the earliest, and for at most"
                f" {_AHEAD.days} days ahead"
            )
        return views.payoff_quote(found.loan, day)

    async def offered(self, application_id: UUID, offer_id: str) -> OfferedLoan:
        """The loan that an offer would be, as disclosed. Raises NoLoan, UnknownApplication."""
        aggregate = await self._history.now(application_id)
        offer = aggregate.state.offers.get(offer_id)
        if offer is None:
            raise NoLoan(f"application {application_id} has no offer {offer_id}")
        if offer.terms is None or offer.disburse_on is None:
            raise NoLoan("the offer is of an amount alone")
        calendar = None if offer.terms.holidays is None else business_days(offer.terms.holidays)
        dues = due_dates(
            offer.terms,
            offer.disburse_on,
            first_due_on=offer.first_due_on,
            is_business_day=calendar,
        )
        planned = plan(offer.terms, offer.amount, offer.disburse_on, dues)
        return OfferedLoan(application_id, aggregate, offer, planned)

    @property
    def today(self) -> date:
        """The day in the ledger's time zone."""
        return self._clock().astimezone(self._zone).date()

    def _day(self, loan: Loan, on: date | None) -> date:
        day = on or self.today
        if day < loan.funded_on:
            raise DayOutOfRange(f"the loan was funded on {loan.funded_on}")
        if day > self.today + _STATEMENT:
            raise DayOutOfRange(f"a day is at most {_STATEMENT.days} days ahead")
        return day
