"""The end of a day: interest into the journal, late fees, losses by the terms, offers that have expired."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from lending.domain import money
from lending.domain.application import events as application_events
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.state import Application
from lending.domain.loan.book import LoanBook, LoanStatus
from lending.domain.loan.delinquency import delinquency
from lending.domain.loan.fees import late_fees
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import try_out
from lending.domain.servicing.commands import ChargeKind
from lending.domain.servicing.entering import UNBOOKED, enter, later_entries, unfit
from lending.domain.servicing.evolve import evolve_loan
from lending.domain.servicing.state import Loan


def close_day(state: Application, given: Circumstances) -> Answer:
    """What the end of the day brings; nothing where all of it is booked."""
    events: list[Any] = [
        application_events.OfferExpired(offer_id=offer.offer_id)
        for offer in state.open_offers()
        if offer.lapsed_on(given.effective_on)
    ]
    loan = state.loan
    if loan is None or loan.terms is None or loan.ended or loan.closed:
        return events
    if unfit(loan, given) is not None:
        return events
    return [*events, *_of_loan(loan, given, len(events))]


def _of_loan(loan: Loan, given: Circumstances, ahead: int) -> Iterator[Any]:
    day, terms = given.effective_on, loan.known_terms
    free = loan.charge_off is not None or loan.status is not LoanStatus.ACTIVE
    found = (
        ()
        if free
        else late_fees(
            terms,
            loan.entries,
            day,
            assessed=set(loan.late_fees) - loan.reversed,
            charged_for=set(loan.late_fees.values()),
        )
    )
    for fee in found:
        event = e.ChargeAssessed(
            kind=ChargeKind.PENALTY,
            amount=money.in_currency(fee.amount, terms.currency),
            due_on=day,
            booking=UNBOOKED,
            name="late fee",
            late_for=fee.due_on,
        )
        entered = enter(loan, event, given, ahead)
        yield entered.event
        after = evolve_loan(loan, entered.event, given.version + 1 + ahead, day)
        if after is None:
            raise ValueError("a charge leaves a loan")
        loan, ahead = after, ahead + 1
    if day < loan.through:
        return
    tried = try_out(loan, None, day)
    if (lost := _lost(loan, tried.book, given)) is not None:
        yield enter(loan, lost, given, ahead).event
    elif tried.booking.postings and _is_end_of_period(loan, tried.book, day):
        yield e.InterestAccrued(booking=tried.booking)


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
    if terms.write_off_below is not None and matured and book.outstanding < terms.write_off_below:
        return e.WrittenOff(booking=UNBOOKED)
    return None


def _is_end_of_period(loan: Loan, book: LoanBook, day: date) -> bool:
    """Whether a month ends that day, or an instalment has fallen due since the last booking."""
    if (day + timedelta(days=1)).day == 1 or book.status is not LoanStatus.ACTIVE:
        return True
    return any(loan.through < one.due <= day for one in book.instalments)
