"""Events to the loan: what each event of servicing makes true."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from lending.domain.application.events import Disbursed as Disbursement
from lending.domain.loan.entries import Disbursed, Entry, Reversed
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.terms import Terms
from lending.domain.servicing import events as e
from lending.domain.servicing.entries import act_of
from lending.domain.servicing.events import Booking, ServicingEvent
from lending.domain.servicing.state import Loan, Moved, Named, reference_of

REVERSALS: Final = (
    e.DisbursementReversed, e.RepaymentReversed, e.EntryReversed, e.ChargeOffUndone,
)  # fmt: skip
_NOTHING: Final = Decimal(0)
_MOVED: Final[Mapping[type[Any], Moved]] = {
    e.Repaid: Moved.PAYMENT,
    e.Recovered: Moved.PAYMENT,
    e.ChargedBack: Moved.CHARGE_BACK,
    e.CreditRefunded: Moved.REFUND,
}
_REOPEN: Final = (*REVERSALS, e.ChargedBack, e.ChargeAssessed)


def evolve_loan(loan: Loan | None, event: ServicingEvent, number: int, on: date) -> Loan | None:
    """The loan after `event`, the one of this number, counting from that day; None where nothing is
    left of it that was ever paid out.
    """
    if isinstance(event, e.Boarded):
        first = Loan(terms=event.terms, entries=(), through=on, product=event.product)
        return _entered(first, event, number, on)
    if loan is None:
        raise ValueError(f"{event.stored_as} of a loan that was never paid out")
    if isinstance(event, e.Closed):
        return loan._replace(closed=True)
    if isinstance(event, e.TermsSet):
        return booked(_with_terms(loan, event), event.booking)
    if loan.closed and isinstance(event, _REOPEN):
        loan = loan._replace(closed=False)
    loan = _entered(loan, event, number, on)
    if isinstance(event, REVERSALS) and not loan.counting:
        return None
    return loan


def advance_entry(event: Disbursement, number: int, on: date, *, first: bool) -> Entry:
    """The entry of a disbursement; the first one of a loan brings the due dates."""
    binding = event.schedule if first else None
    act = Disbursed(
        amount=event.amount if event.principal is None else event.principal,
        advance=event.amount,
        dues=() if binding is None else binding.dues,
        agreed=() if binding is None else binding.agreed,
        fee=event.fee or Decimal(0),
        refinanced=event.refinanced or Decimal(0),
    )
    return Entry(number, on, act)


def disbursed(
    loan: Loan | None, event: Disbursement, terms: Terms | None, number: int, on: date
) -> Loan:
    """The loan after a disbursement, under the terms of the accepted offer."""
    before = loan or Loan(terms=terms, entries=(), through=on)
    entry = advance_entry(event, number, on, first=not before.funded)
    after = before._replace(
        entries=(*before.entries, entry),
        advanced=before.advanced + event.amount,
        closed=False,
        references=_named(before, Moved.ADVANCE, event.reference, number),
    )
    if event.booking is None:
        return after._replace(balance=after.balance + event.amount)
    return booked(after, event.booking)


def booked(loan: Loan, booking: Booking) -> Loan:
    """The loan where the booking of its last event left it."""
    return loan._replace(**_where_it_stands(loan, booking))


def _where_it_stands(loan: Loan, booking: Booking) -> dict[str, Any]:
    return {
        "through": booking.through,
        "status": booking.status,
        "balance": booking.balance,
        "accounts": _added(loan.accounts, booking),
    }


def _entered(loan: Loan, event: ServicingEvent, number: int, on: date) -> Loan:
    """The loan with what an event adds to it, changed at once: every event of a long life does this."""
    changes = _to_remember(loan, event, number, on)
    act = act_of(event)
    if act is not None:
        if isinstance(act, Reversed):
            on = _entry_of(loan, act.of).on
        changes["entries"] = (*loan.entries, Entry(number, on, act))
    booking: Booking | None = getattr(event, "booking", None)
    if booking is not None:
        changes |= _where_it_stands(loan, booking)
    return loan._replace(**changes)


def _to_remember(loan: Loan, event: ServicingEvent, number: int, on: date) -> dict[str, Any]:
    """What later commands have to know of an event besides its entry."""
    match event:
        case e.Repaid() | e.Recovered() | e.ChargedBack() | e.CreditRefunded():
            moved = _MOVED[type(event)]
            return {"references": _named(loan, moved, event.reference, number)}
        case (
            e.DisbursementReversed(of=of) | e.RepaymentReversed(of=of) | e.EntryReversed(of=of)
            | e.ChargeOffUndone(of=of)
        ):  # fmt: skip
            return _without(loan, of, on)
        case e.ChargedOff():
            return {"charge_off": number}
        case e.ChargeAssessed(late_for=date() as late_for):
            return {"late_fees": {**loan.late_fees, number: late_for}}
        case _:
            return {}


def _named(loan: Loan, moved: Moved, given: str | None, number: int) -> Mapping[int, Named]:
    """The references of a loan with that of one more movement, however it was recorded."""
    reference = reference_of(given)
    if reference is None:
        return loan.references
    return {**loan.references, number: Named(moved, reference)}


def _without(loan: Loan, number: int, on: date) -> dict[str, Any]:
    """What is known no more of an entry that never counted, as of `on`."""
    act = _entry_of(loan, number).act
    gone = act.advance if isinstance(act, Disbursed) else Decimal(0)
    return {
        "reversed_on": {**loan.reversed_on, number: on},
        "advanced": loan.advanced - gone,
        "charge_off": None if loan.charge_off == number else loan.charge_off,
        "references": {of: one for of, one in loan.references.items() if of != number},
    }


def _entry_of(loan: Loan, number: int) -> Entry:
    entry = loan.entry(number)
    if entry is None:
        raise ValueError(f"there is no entry {number} to reverse")
    return entry


def _with_terms(loan: Loan, event: e.TermsSet) -> Loan:
    """The loan as if it had had these terms, and these due dates, from its first day."""
    dues, agreed, entries = event.schedule.dues, event.schedule.agreed, []
    for entry in loan.entries:
        if isinstance(entry.act, Disbursed) and dues:
            act = replace(entry.act, dues=dues, agreed=agreed)
            entries.append(entry._replace(act=act))
            dues = ()
        else:
            entries.append(entry)
    return loan._replace(terms=event.terms, product=event.product, entries=tuple(entries))


def _added(
    accounts: Mapping[LedgerAccount, Decimal], booking: Booking
) -> dict[LedgerAccount, Decimal]:
    found = dict(accounts)
    for line in booking.postings:
        amount = found.get(line.account, _NOTHING) + line.amount
        if amount:
            found[line.account] = amount
        else:
            found.pop(line.account, None)
    return found
