"""What is said of a loan: its lines on a day, a statement of a time, what pays it off.

Everything is computed from the loan's entries as they are known; to ask it of an earlier state of the
record is to hand over that state.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain import money
from lending.domain.loan import entries as act
from lending.domain.loan.account import Account
from lending.domain.loan.book import Allocation, LoanBook, LoanStatus, Sums
from lending.domain.loan.delinquency import Delinquency, delinquency
from lending.domain.loan.engine import fold, payoff
from lending.domain.loan.entries import Act, Entry
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


class Direction(StrEnum):
    """What a transaction does to what is owed."""

    RAISES = "raises"
    LOWERS = "lowers"


class Movement(NamedTuple):
    """A transaction, and what it came to; `charge` is the one that it adjusts or waives. Changes of
    terms and losses have no direction. `principal_change` is by how much the principal outstanding
    rose, what a capitalisation made principal included; below zero, fell. New instalments for the
    same principal, of a re-aging or re-amortisation, change none.
    """

    version: int
    effective_on: date
    event_type: str
    direction: Direction | None
    kind: str | None
    reference: str | None
    charge: int | None
    amount: Decimal | None
    principal_change: Decimal
    allocation: Allocation


class Undone(NamedTuple):
    """A transaction that was reversed, so that it never counted; `reversed_on` is the day of that."""

    version: int
    effective_on: date
    event_type: str
    amount: Decimal | None
    reversed_by: int
    reversed_on: date


class FellDue(NamedTuple):
    """What fell due on a day: an instalment, by its `number`, without the charges that are shown with
    it; or such a charge, by the `version` of what assessed it. `unpaid` is what is left of it.
    """

    number: int | None
    version: int | None
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
    by_day = sorted(loan.entries, key=lambda one: (one.on, one.number))
    inside = [one for one in by_day if start <= one.on <= end]
    reversals = {
        one.act.of: one.number for one in loan.entries if isinstance(one.act, act.Reversed)
    }
    return Statement(
        opening=balances(loan, start - _ONE_DAY),
        fell_due=tuple(one for one in _fell_due(loan, book) if start <= one.due <= end),
        movements=tuple(
            _movement(one, book.allocations[one.number], _reference(loan, one.number))
            for one in inside
            if one.number in book.allocations
        ),
        undone=tuple(
            _undone(one, reversals[one.number], loan.reversed_on[one.number])
            for one in by_day
            if one.number in reversals
            and (start <= one.on <= end or start <= loan.reversed_on[one.number] <= end)
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
    due = Sums(*[zero(terms)] * 4)
    for day, left in book.unpaid():
        due = due.add(left) if day <= book.on else due
    begun = any(entry.on <= book.on for entry in loan.counting)
    return Balances(
        on=book.on,
        status=book.status if begun else None,
        principal=money.in_currency(book.principal, terms.currency),
        due=due,
        overdue=money.in_currency(book.overdue, terms.currency),
        accrued_interest=money.in_currency(receivable - due.interest, terms.currency),
        credit=money.in_currency(book.credit, terms.currency),
    )


def _fell_due(loan: Loan, book: LoanBook) -> list[FellDue]:
    """What fell due, in the order of days: nothing once the loan was over."""
    found = []
    for one, charges in book.with_charges():
        owed, left = one.owed, one.left
        for charge in charges:
            asked = Sums().plus(charge.component, charge.amount)
            owed = owed.less(asked)
            left = left.less(Sums().plus(charge.component, charge.outstanding))
            found.append(FellDue(None, charge.entry, charge.due_on, asked, charge.outstanding))
        found.append(FellDue(one.number, None, one.due, owed, left.total))
    over_on = _over_on(loan, book)
    known = [one for one in found if over_on is None or one.due <= over_on]
    return sorted(known, key=lambda one: (one.due, one.version or 0))


def _over_on(loan: Loan, book: LoanBook) -> date | None:
    """The day on which the loan was paid off, given up or handed over, if it is by then."""
    if book.status is LoanStatus.ACTIVE:
        return None
    ends = [one.on for one in loan.counting if isinstance(one.act, act.Ended)]
    return max(ends or (one.met_on for one in book.instalments if one.met_on), default=None)


def _undone(entry: Entry, by: int, on: date) -> Undone:
    return Undone(entry.number, entry.on, _NAMES[type(entry.act)], _amount(entry.act), by, on)


def _reference(loan: Loan, number: int) -> str | None:
    named = loan.references.get(number)
    return None if named is None else named.reference


def _movement(entry: Entry, allocation: Allocation, reference: str | None) -> Movement:
    kind = entry.act.kind.value if isinstance(entry.act, act.Paid) else None
    recovered = kind == PaymentKind.RECOVERY
    return Movement(
        version=entry.number,
        effective_on=entry.on,
        event_type=e.Recovered.stored_as if recovered else _NAMES[type(entry.act)],
        direction=_DIRECTIONS.get(type(entry.act)),
        kind=kind,
        reference=reference,
        charge=_charge_of(entry.act),
        amount=_amount(entry.act),
        principal_change=_principal_change(entry.act, allocation.sums),
        allocation=allocation,
    )


def _principal_change(done: Act, sums: Sums) -> Decimal:
    if isinstance(done, act.Capitalised):
        return sums.total
    match _DIRECTIONS.get(type(done)):
        case Direction.RAISES:
            return sums.principal
        case Direction.LOWERS:
            return -sums.principal
        case _:
            return sums.principal * 0


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


_DIRECTIONS: Final[Mapping[type[Act], Direction]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                act.Disbursed, act.Boarded, act.ChargedBack, act.CreditRefunded, act.ChargeAssessed,
            ),
            Direction.RAISES,
        ),
        **dict.fromkeys(
            (act.Paid, act.ChargeWaived, act.InterestWaived, act.Forgiven, act.Ended),
            Direction.LOWERS,
        ),
    }
)  # fmt: skip

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
