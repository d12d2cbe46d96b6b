"""Events to the loan: what each event of servicing makes true."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from lending.domain.application.events import Disbursed as Disbursement
from lending.domain.loan.entries import Disbursed, Entry, Reversed
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.terms import Terms
from lending.domain.servicing import events as e
from lending.domain.servicing.entries import act_of
from lending.domain.servicing.events import Booking, ServicingEvent
from lending.domain.servicing.state import Loan

REVERSALS: Final = (
    e.DisbursementReversed, e.RepaymentReversed, e.EntryReversed, e.ChargeOffUndone,
)  # fmt: skip
_REOPEN: Final = (*REVERSALS, e.ChargedBack, e.ChargeAssessed)


def evolve_loan(loan: Loan | None, event: ServicingEvent, number: int, on: date) -> Loan | None:
    """The loan after `event`, the one of this number, counting from that day; None where nothing is
    left of it that was ever paid out.
    """
    if isinstance(event, e.Boarded):
        first = Loan(terms=event.terms, entries=(), through=on)
        return _entered(first, event, number, on)
    if loan is None:
        raise ValueError(f"{event.stored_as} of a loan that was never paid out")
    if isinstance(event, e.Closed):
        return loan._replace(closed=True)
    if isinstance(event, e.TermsSet):
        return booked(_with_terms(loan, event), event.booking)
    if isinstance(event, _REOPEN):
        loan = loan._replace(closed=False)
    loan = _entered(loan, event, number, on)
    return loan if loan.counting else None


def advance_entry(event: Disbursement, number: int, on: date, *, first: bool) -> Entry:
    """The entry of a disbursement; the first one of a loan brings the due dates."""
    dues = event.schedule.dues if first and event.schedule is not None else ()
    act = Disbursed(
        amount=event.amount if event.principal is None else event.principal,
        advance=event.amount,
        dues=dues,
        fee=event.fee or Decimal(0),
        refinanced=event.refinanced or Decimal(0),
    )
    return Entry(number, on, act)


def disbursed(
    loan: Loan | None, event: Disbursement, terms: Terms | None, number: int, on: date
) -> Loan:
    """The loan after a disbursement, under the terms of the accepted offer."""
    before = loan or Loan(terms=terms, entries=(), through=on)
    entry = advance_entry(event, number, on, first=loan is None)
    after = before._replace(
        entries=(*before.entries, entry), advanced=before.advanced + event.amount, closed=False
    )
    if event.booking is None:
        return after._replace(balance=after.balance + event.amount)
    return booked(after, event.booking)


def booked(loan: Loan, booking: Booking | None) -> Loan:
    """The loan where the booking of its last event left it."""
    if booking is None:
        return loan
    return loan._replace(
        through=booking.through,
        status=booking.status,
        balance=booking.balance,
        accounts=_added(loan.accounts, booking),
    )


def _entered(loan: Loan, event: ServicingEvent, number: int, on: date) -> Loan:
    act = act_of(event)
    if act is not None:
        if isinstance(act, Reversed):
            loan, on = _without(loan, act.of)
        loan = loan._replace(entries=(*loan.entries, Entry(number, on, act)))
    return booked(_noted(loan, event, number), getattr(event, "booking", None))


def _without(loan: Loan, number: int) -> tuple[Loan, date]:
    """The loan without an entry, and the day from which that counts: the entry's own."""
    entry = loan.entry(number)
    if entry is None:
        raise ValueError(f"there is no entry {number} to reverse")
    advanced = loan.advanced
    if isinstance(entry.act, Disbursed):
        advanced -= entry.act.advance
    charge_off = None if loan.charge_off == number else loan.charge_off
    gone = loan.reversed | {number}
    return loan._replace(reversed=gone, advanced=advanced, charge_off=charge_off), entry.on


def _noted(loan: Loan, event: ServicingEvent, number: int) -> Loan:
    """The loan with what later commands have to know of an event besides its entry."""
    match event:
        case e.Repaid(reference=str(reference)) | e.Recovered(reference=str(reference)):
            return loan._replace(references={**loan.references, reference: number})
        case e.RepaymentReversed(of=of):
            left = {name: of_ for name, of_ in loan.references.items() if of_ != of}
            return loan._replace(references=left)
        case e.ChargedOff():
            return loan._replace(charge_off=number)
        case e.ChargeAssessed(late_for=date() as late_for):
            return loan._replace(late_fees={**loan.late_fees, number: late_for})
        case _:
            return loan


def _with_terms(loan: Loan, event: e.TermsSet) -> Loan:
    """The loan as if it had had these terms, and these due dates, from its first day."""
    dues, entries = event.schedule.dues, []
    for entry in loan.entries:
        if isinstance(entry.act, Disbursed) and dues:
            entries.append(entry._replace(act=replace(entry.act, dues=dues)))
            dues = ()
        else:
            entries.append(entry)
    return loan._replace(terms=event.terms, entries=tuple(entries))


def _added(
    accounts: Mapping[LedgerAccount, Decimal], booking: Booking
) -> dict[LedgerAccount, Decimal]:
    found = dict(accounts)
    for line in booking.postings:
        found[line.account] = found.get(line.account, Decimal(0)) + line.amount
    return {account: amount for account, amount in found.items() if amount}
