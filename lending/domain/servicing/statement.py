"""What is said of a loan: its lines on a day, a statement of a time, what pays it off.

Everything is computed from the loan's entries as they are known; to ask it of an earlier state of the
record is to hand over that state.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain import money
from lending.domain.loan import entries as act
from lending.domain.loan.book import Allocation, Charge, Instalment, LoanBook, LoanStatus, Sums
from lending.domain.loan.delinquency import Delinquency, delinquency
from lending.domain.loan.engine import fold, payoff, replay
from lending.domain.loan.entries import Act, Entry
from lending.domain.loan.position import position
from lending.domain.loan.reading import book_of
from lending.domain.loan.rounding import zero
from lending.domain.servicing import events as e
from lending.domain.servicing.state import Loan

_ONE_DAY: Final = timedelta(days=1)


class Balances(NamedTuple):
    """What is owed at the end of a day, and what is not owed yet.

    `principal` is all that is outstanding; `due` what fell due and is unpaid, component by component,
    `overdue` the part of it that fell due earlier than on the day. `accrued_interest` is earned and
    not due. `credit` is what the borrower paid too much.
    """

    on: date
    status: LoanStatus
    principal: Decimal
    due: Sums
    overdue: Decimal
    accrued_interest: Decimal
    credit: Decimal


class Movement(NamedTuple):
    """A transaction, and what it came to."""

    version: int
    effective_on: date
    event_type: str
    kind: str | None
    reference: str | None
    amount: Decimal | None
    allocation: Allocation


class Undone(NamedTuple):
    """A transaction that was reversed, so that it never counted."""

    version: int
    effective_on: date
    event_type: str
    amount: Decimal | None
    reversed_by: int


class Statement(NamedTuple):
    """A loan from the beginning of one day to the end of another."""

    opening: Balances
    fell_due: tuple[Instalment, ...]
    movements: tuple[Movement, ...]
    undone: tuple[Undone, ...]
    closing: Balances


class PayoffQuote(NamedTuple):
    """What pays a loan off on a day, and how much more the day after it."""

    on: date
    sums: Sums
    credit: Decimal
    more_a_day: Decimal


def balances(loan: Loan, on: date) -> Balances:
    """What is owed at the end of a day."""
    return _balances(loan, replay(loan.known_terms, loan.entries, on))


def standing_on(loan: Loan, on: date) -> Loan:
    """The loan with status, balance and credit as they stood at the end of a day."""
    if loan.terms is None:
        return loan
    account = fold(loan.terms, loan.entries, on)
    book = book_of(account, on)
    return loan._replace(
        through=on,
        status=book.status,
        balance=book.principal,
        accounts=position(loan.terms, loan.entries, on, account),
    )


def lines(loan: Loan, on: date) -> tuple[LoanBook, Balances, Delinquency]:
    """The lines of a loan at the end of a day, with what is owed and the arrears."""
    book = replay(loan.known_terms, loan.entries, on)
    return book, _balances(loan, book), delinquency(loan.known_terms, book)


def statement(loan: Loan, start: date, end: date) -> Statement:
    """What happened from the first day to the last, both included."""
    book = replay(loan.known_terms, loan.entries, end)
    inside = [one for one in loan.entries if start <= one.on <= end]
    reversals = {
        one.act.of: one.number for one in loan.entries if isinstance(one.act, act.Reversed)
    }
    references = {number: reference for reference, number in loan.references.items()}
    in_order = sorted(inside, key=lambda one: (one.on, one.number))
    return Statement(
        opening=balances(loan, start - _ONE_DAY),
        fell_due=tuple(one for one in book.instalments if start <= one.due <= end),
        movements=tuple(
            _movement(one, book.allocations[one.number], references.get(one.number))
            for one in in_order
            if one.number in book.allocations
        ),
        undone=tuple(
            Undone(
                one.number, one.on, _NAMES[type(one.act)], _amount(one.act), reversals[one.number]
            )
            for one in in_order
            if one.number in reversals
        ),
        closing=_balances(loan, book),
    )


def payoff_quote(loan: Loan, on: date) -> PayoffQuote:
    """What pays the loan off on a day."""
    currency = loan.known_terms.currency
    today = payoff(loan.known_terms, loan.entries, on)
    tomorrow = payoff(loan.known_terms, loan.entries, on + _ONE_DAY)
    book = replay(loan.known_terms, loan.entries, on)
    return PayoffQuote(
        on,
        Sums(*(money.in_currency(one, currency) for one in today)),
        money.in_currency(book.credit, currency),
        money.in_currency(tomorrow.total - today.total, currency),
    )


def _balances(loan: Loan, book: LoanBook) -> Balances:
    terms = loan.known_terms
    due, overdue = Sums(*[zero(terms)] * 4), book.overdue
    for one in book.instalments:
        if one.due <= book.on:
            due = due.add(left_of(one))
    for charge in book.charges:
        if charge.due_on <= book.on < _shown_with(charge, book):
            due = due.plus(charge.component, charge.outstanding)
            overdue += charge.outstanding if charge.due_on < book.on else 0
    return Balances(
        on=book.on,
        status=book.status,
        principal=money.in_currency(book.principal, terms.currency),
        due=due,
        overdue=money.in_currency(overdue, terms.currency),
        accrued_interest=money.in_currency(book.accrued_interest, terms.currency),
        credit=money.in_currency(book.credit, terms.currency),
    )


def _shown_with(charge: Charge, book: LoanBook) -> date:
    """The due date of the line that holds a charge, which has a due date of its own."""
    later = (one.due for one in book.instalments if one.due >= charge.due_on)
    return min(later, default=charge.due_on)


def left_of(one: Instalment) -> Sums:
    """What is still to be paid of a line, component by component."""
    columns = zip(one.owed, one.paid, one.waived, one.written_off, strict=True)
    return Sums(*(owed - paid - waived - lost for owed, paid, waived, lost in columns))


def _movement(entry: Entry, allocation: Allocation, reference: str | None) -> Movement:
    kind = entry.act.kind.value if isinstance(entry.act, act.Paid) else None
    return Movement(
        version=entry.number,
        effective_on=entry.on,
        event_type=_NAMES[type(entry.act)],
        kind=kind,
        reference=reference,
        amount=_amount(entry.act),
        allocation=allocation,
    )


def _amount(done: Act) -> Decimal | None:
    amount = getattr(done, "amount", None)
    return amount if isinstance(amount, Decimal) else None


_CHANGED: Final = e.TermsChanged.stored_as
_NAMES: Final[Mapping[type[Act], str]] = MappingProxyType(
    {
        act.Disbursed: "disbursed",
        act.Boarded: e.Boarded.stored_as,
        act.Paid: e.Repaid.stored_as,
        act.Reversed: e.EntryReversed.stored_as,
        act.ChargedBack: e.ChargedBack.stored_as,
        act.CreditRefunded: e.CreditRefunded.stored_as,
        act.ChargeAssessed: e.ChargeAssessed.stored_as,
        act.ChargeWaived: e.ChargeWaived.stored_as,
        act.InterestWaived: e.InterestWaived.stored_as,
        act.ChargedOff: e.ChargedOff.stored_as,
        act.Ended: "ended",
        **dict.fromkeys(
            (
                act.RateChanged, act.DueDateMoved, act.Paused, act.Extended, act.ReAged,
                act.ReAmortised, act.Capitalised, act.Forgiven, act.DelinquencyPaused,
                act.DelinquencyResumed,
            ),
            _CHANGED,
        ),
    }
)  # fmt: skip
"""By what an entry did, the name of the event that booked it."""
