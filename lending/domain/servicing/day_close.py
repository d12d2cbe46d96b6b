"""The end of a day: interest into the journal, late fees, losses by the terms, offers that have expired.

Closing a day closes the days before it that were left out, each dated its own day. No record says
which days were closed: what the days of a loan bring follows from its entries, and what is on record
of it already is not booked again.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from lending.domain import money
from lending.domain.application import events as application_events
from lending.domain.application.circumstances import Answer, Circumstances, OnDays
from lending.domain.application.state import Application
from lending.domain.loan.book import LoanBook, LoanStatus
from lending.domain.loan.delinquency import delinquency
from lending.domain.loan.entries import Boarded
from lending.domain.loan.fees import late_fees
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import Booked, book_on, try_out
from lending.domain.servicing.commands import ChargeKind
from lending.domain.servicing.entering import UNBOOKED, enter, later_entries, unfit
from lending.domain.servicing.evolve import evolve_loan
from lending.domain.servicing.state import Loan

EVENTS_MAX: Final = 40
"""Events after which a command that closes a day begins no other day: the command is sent again."""

_ONE_DAY: Final = timedelta(days=1)


class _Closed(NamedTuple):
    """What a day brought, and the loan after it."""

    events: list[Any]
    loan: Loan


def close_day(state: Application, given: Circumstances) -> Answer:
    """What the end of the day, and of unclosed ones before it, brings; nothing where all is booked."""
    found: list[Any] = [
        (offer.valid_until + _ONE_DAY, application_events.OfferExpired(offer_id=offer.offer_id))
        for offer in state.open_offers()
        if offer.valid_until is not None and offer.lapsed_on(given.effective_on)
    ]
    loan = state.loan
    if loan is not None and loan.terms is not None and unfit(loan, given) is None:
        ahead = given._replace(version=given.version + len(found))
        found += _of_loan(loan, ahead)
    return OnDays(found) if found else []


def _of_loan(loan: Loan, given: Circumstances) -> Iterator[tuple[date, Any]]:
    if _is_over(loan):
        return
    count, day = 0, given.effective_on
    tried = try_out(loan, None, day)
    for one in _days(loan, tried, day):
        if _is_over(loan) or count >= EVENTS_MAX:
            return
        on_day = given._replace(effective_on=one, version=given.version + count)
        closed = _close(loan, on_day, tried if one == day and not count else None)
        for event in closed.events:
            yield one, event
        count, loan = count + len(closed.events), closed.loan


def _is_over(loan: Loan) -> bool:
    return loan.ended or loan.closed


# which days


def _days(loan: Loan, tried: Booked, day: date) -> list[date]:
    """The days up to `day` whose end may bring what is not booked, in their order."""
    book = tried.book if tried.on == day else book_on(loan, day)
    found = {day, *_late_days(loan, book), *_days_of_loss(loan, book)}
    if tried.booking.postings:
        found.update(_ends_of_periods(loan, book))
    first = loan.funded_on
    return sorted(one for one in found if first <= one <= day)


def _ends_of_periods(loan: Loan, book: LoanBook) -> Iterator[date]:
    """The ends of months and due dates behind the last booking: interest is booked on them."""
    yield from (one.due for one in book.instalments if loan.through < one.due)
    day = loan.through
    while (day := _end_of_month(day + _ONE_DAY)) <= book.on:
        yield day


def _end_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - _ONE_DAY


def _late_days(loan: Loan, book: LoanBook) -> Iterator[date]:
    """The first days on which instalments that were not met in time, and not charged for, were late."""
    fee, charged_for = loan.known_terms.late_fee, _charged_for(loan)
    if fee is None or not _is_charged(loan):
        return
    grace = timedelta(days=fee.grace_days)
    for one in book.instalments:
        met_in_time = one.met_on is not None and one.met_on <= one.due + grace
        if not met_in_time and one.due not in charged_for:
            yield max(one.due + grace + _ONE_DAY, loan.funded_on)


def _days_of_loss(loan: Loan, book: LoanBook) -> Iterator[date]:
    """The first days, behind all transactions, on which the terms may give the loan up."""
    terms, last = loan.known_terms, max(entry.on for entry in loan.counting)
    since = delinquency(terms, book).since
    if terms.charge_off_days is not None and since is not None:
        yield max(since + timedelta(days=terms.charge_off_days), last)
    if terms.write_off_below is not None and book.instalments:
        yield max(*(one.due for one in book.instalments), last)


# what a day brings


def _close(loan: Loan, given: Circumstances, tried: Booked | None) -> _Closed:
    """What the end of one day brings; `tried` is the loan computed to it, if it was."""
    closed = _charged(loan, given)
    loan, day = closed.loan, given.effective_on
    if day < loan.through:
        return closed
    given = given._replace(version=given.version + len(closed.events))
    if tried is None or closed.events:
        tried = try_out(loan, None, day)
    event: Any = None
    if (lost := _lost(loan, tried.book, given)) is not None:
        event = enter(loan, lost, given).event
    elif tried.booking.postings and _is_end_of_period(tried.book, day):
        event = e.InterestAccrued(booking=tried.booking)
    if event is None:
        return closed
    return _Closed([*closed.events, event], _after(loan, event, given))


def _charged(loan: Loan, given: Circumstances) -> _Closed:
    """The late fees of a day."""
    terms, day, events = loan.known_terms, given.effective_on, list[Any]()
    if not _is_charged(loan):
        return _Closed([], loan)
    assessed = set(loan.late_fees).difference(loan.reversed)
    charged_for = _charged_for(loan)
    for fee in late_fees(terms, loan.entries, day, assessed=assessed, charged_for=charged_for):
        charge = e.ChargeAssessed(
            kind=ChargeKind.PENALTY,
            amount=money.in_currency(fee.amount, terms.currency),
            due_on=day,
            booking=UNBOOKED,
            name="late fee",
            late_for=fee.due_on,
        )
        ahead = given._replace(version=given.version + len(events))
        events.append(enter(loan, charge, ahead).event)
        loan = _after(loan, events[-1], ahead)
    return _Closed(events, loan)


def _charged_for(loan: Loan) -> set[date]:
    """The due dates of instalments that were charged for, here or before they were taken over."""
    boarded = (one.act for one in loan.counting if isinstance(one.act, Boarded))
    brought = {late.due_on for act in boarded for late in act.overdue if late.penalties}
    return brought.union(loan.late_fees.values())


def _is_charged(loan: Loan) -> bool:
    """Whether being late costs anything: not once it was taken to loss, or nothing is owed."""
    return loan.charge_off is None and loan.status is LoanStatus.ACTIVE


def _after(loan: Loan, event: Any, given: Circumstances) -> Loan:
    after = evolve_loan(loan, event, given.version + 1, given.effective_on)
    if after is None:
        raise ValueError("the end of a day leaves a loan")
    return after


def _lost(loan: Loan, book: LoanBook, given: Circumstances) -> e.ChargedOff | e.WrittenOff | None:
    """What the terms do by themselves with a loan that is too late, or has too little left."""
    terms = loan.known_terms
    if book.status is not LoanStatus.ACTIVE or later_entries(loan, given) is not None:
        return None
    late = delinquency(terms, book).past_due_days
    if (
        terms.charge_off_days is not None
        and loan.charge_off is None
        and late >= terms.charge_off_days
    ):
        return e.ChargedOff(booking=UNBOOKED)
    matured = all(one.due <= book.on for one in book.instalments)
    below = terms.write_off_below
    if below is not None and matured and book.outstanding < below:
        return e.WrittenOff(booking=UNBOOKED)
    return None


def _is_end_of_period(book: LoanBook, day: date) -> bool:
    """Whether a month ends that day, an instalment falls due, or nothing more will."""
    if _end_of_month(day) == day or book.status is not LoanStatus.ACTIVE:
        return True
    return any(one.due == day for one in book.instalments)
