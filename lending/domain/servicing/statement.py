"""What is said of a loan: its lines on a day, a statement of a time, what pays it off.

Everything is computed from the loan's entries as they are known; to ask it of an earlier state of the
record is to hand over that state.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain import money
from lending.domain.loan import entries as act
from lending.domain.loan.account import Account
from lending.domain.loan.book import Allocation, Charge, Instalment, LoanBook, LoanStatus, Sums
from lending.domain.loan.delinquency import Delinquency, delinquency
from lending.domain.loan.engine import fold, payoff
from lending.domain.loan.entries import Act, Entry
from lending.domain.loan.lines import LineKind
from lending.domain.loan.position import earned, position
from lending.domain.loan.reading import book_of, payoff_of
from lending.domain.loan.rounding import zero
from lending.domain.loan.terms import PaymentKind
from lending.domain.servicing import events as e
from lending.domain.servicing.state import Loan

_ONE_DAY: Final = timedelta(days=1)


class Balances(NamedTuple):
    """What is owed at the end of a day, and what is not owed yet. Before the loan there is no status.

    `principal` is all that is outstanding; `due` what fell due and is unpaid, component by component,
    `overdue` the part of it that fell due earlier than on the day. `accrued_interest` is earned and
    not due; below zero, paid and not earned yet. `credit` is what the borrower paid too much.
    """

    on: date
    status: LoanStatus | None
    principal: Decimal
    due: Sums
    overdue: Decimal
    accrued_interest: Decimal
    credit: Decimal


class Movement(NamedTuple):
    """A transaction, and what it came to; `charge` is the one that it adjusts or waives."""

    version: int
    effective_on: date
    event_type: str
    kind: str | None
    reference: str | None
    charge: int | None
    amount: Decimal | None
    allocation: Allocation


class Undone(NamedTuple):
    """A transaction that was reversed, so that it never counted."""

    version: int
    effective_on: date
    event_type: str
    amount: Decimal | None
    reversed_by: int


class FellDue(NamedTuple):
    """What an instalment asked for when it fell due, without charges that were assessed: those are
    movements of their own. `unpaid` is what is left of it, charges shown with it included.
    """

    number: int
    due: date
    owed: Sums
    unpaid: Decimal


class Statement(NamedTuple):
    """A loan from the beginning of one day to the end of another."""

    opening: Balances
    fell_due: tuple[FellDue, ...]
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
    account = fold(loan.known_terms, loan.entries, on)
    return _balances(loan, account, book_of(account, on))


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
    account = fold(loan.known_terms, loan.entries, on)
    book = book_of(account, on)
    return book, _balances(loan, account, book), delinquency(loan.known_terms, book)


def statement(loan: Loan, start: date, end: date) -> Statement:
    """What happened from the first day to the last, both included."""
    account = fold(loan.known_terms, loan.entries, end)
    book = book_of(account, end)
    inside = [one for one in loan.entries if start <= one.on <= end]
    reversals = {
        one.act.of: one.number for one in loan.entries if isinstance(one.act, act.Reversed)
    }
    references = {number: reference for reference, number in loan.references.items()}
    in_order = sorted(inside, key=lambda one: (one.on, one.number))
    return Statement(
        opening=balances(loan, start - _ONE_DAY),
        fell_due=tuple(
            FellDue(one.number, one.due, _own(one.owed, charged), left_of(one).total)
            for one, charged in _with_charges(book)
            if start <= one.due <= end
        ),
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
        closing=_balances(loan, account, book),
    )


def payoff_quote(loan: Loan, on: date) -> PayoffQuote:
    """What pays the loan off on a day."""
    terms, currency = loan.known_terms, loan.known_terms.currency
    account = fold(terms, loan.entries, on)
    today = payoff_of(account, on)
    tomorrow = payoff(terms, loan.entries, on + _ONE_DAY)
    return PayoffQuote(
        on,
        Sums(*(money.in_currency(one, currency) for one in today)),
        money.in_currency(account.credit, currency),
        money.in_currency(tomorrow.total - today.total, currency),
    )


def _balances(loan: Loan, account: Account, book: LoanBook) -> Balances:
    terms = loan.known_terms
    receivable = earned(account, book.on).interest
    due = overdue = Sums(*[zero(terms)] * 4)
    for day, left in _asked_for(book):
        due = due.add(left) if day <= book.on else due
        overdue = overdue.add(left) if day < book.on else overdue
    begun = any(entry.on <= book.on for entry in loan.counting)
    return Balances(
        on=book.on,
        status=book.status if begun else None,
        principal=money.in_currency(book.principal, terms.currency),
        due=due,
        overdue=overdue.total,
        accrued_interest=money.in_currency(receivable - due.interest, terms.currency),
        credit=money.in_currency(book.credit, terms.currency),
    )


def _asked_for(book: LoanBook) -> Iterator[tuple[date, Sums]]:
    """What is still to be paid, by the day on which it fell or falls due."""
    for one, charged in _with_charges(book):
        held = Sums()
        for charge in charged:
            held = held.plus(charge.component, charge.outstanding)
            yield charge.due_on, Sums().plus(charge.component, charge.outstanding)
        yield one.due, _less(left_of(one), held)


def _with_charges(book: LoanBook) -> Iterator[tuple[Instalment, Sequence[Charge]]]:
    """The lines, each with the charges that are shown with it and have due dates of their own."""
    held: defaultdict[int, list[Charge]] = defaultdict(list)
    lines = [one for one in book.instalments if one.kind is not LineKind.DOWN_PAYMENT]
    for charge in book.charges:
        line = next((one for one in lines if one.due >= charge.due_on), lines[-1])
        held[line.number].append(charge)
    return ((one, held[one.number]) for one in book.instalments)


def _own(owed: Sums, charged: Sequence[Charge]) -> Sums:
    """What a line asks for by itself."""
    for charge in charged:
        owed = owed.plus(charge.component, -charge.amount)
    return owed


def _less(left: Sums, held: Sums) -> Sums:
    return left.add(Sums(*(-amount for amount in held)))


def left_of(one: Instalment) -> Sums:
    """What is still to be paid of a line, component by component."""
    columns = zip(one.owed, one.paid, one.waived, one.written_off, strict=True)
    return Sums(*(owed - paid - waived - lost for owed, paid, waived, lost in columns))


def _movement(entry: Entry, allocation: Allocation, reference: str | None) -> Movement:
    kind = entry.act.kind.value if isinstance(entry.act, act.Paid) else None
    recovered = kind == PaymentKind.RECOVERY
    return Movement(
        version=entry.number,
        effective_on=entry.on,
        event_type=e.Recovered.stored_as if recovered else _NAMES[type(entry.act)],
        kind=kind,
        reference=reference,
        charge=_charge_of(entry.act),
        amount=_amount(entry.act),
        allocation=allocation,
    )


def _charge_of(done: Act) -> int | None:
    match done:
        case act.Paid(charge=charge):
            return charge
        case act.ChargeWaived(of=of):
            return of
        case _:
            return None


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
