"""From the account to the book: the working values as immutable ones, and what can be quoted."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Final

from lending.domain.loan.account import Account, Done, Taken
from lending.domain.loan.book import (
    Allocation,
    Charge,
    Instalment,
    LoanBook,
    LoanStatus,
    Portion,
    Sums,
)
from lending.domain.loan.lines import Line, LineKind, Owed
from lending.domain.loan.schedule import balances
from lending.domain.loan.terms import (
    CURTAILS,
    Component,
    InterestBasis,
    PaymentKind,
)

_AMOUNT: Final = attrgetter("amount")
_PAID: Final = attrgetter("paid")
_WAIVED: Final = attrgetter("waived")
_WRITTEN_OFF: Final = attrgetter("written_off")


def book_of(account: Account, on: date) -> LoanBook:
    """The book of an account that has accrued to `on`."""
    course = account.course
    course.project()
    instalments = _instalments(account)
    grown = account.capitalised_in_grace()
    return LoanBook(
        on=on,
        status=_status(account, grown),
        instalments=instalments,
        charges=_charges(account),
        allocations=allocations_of(account),
        principal=account.principal + grown,
        capitalised_in_grace=grown,
        credit=account.credit,
        accrued_interest=course.accrued_by(on),
        charged_off_on=account.charged_off_on,
        delinquency_pauses=tuple(account.pauses),
    )


def status_of(account: Account) -> LoanStatus:
    """The status of an account, to the day it has accrued to."""
    grown = account.capitalised_in_grace()
    if account.ending is None and not account.principal + grown:
        account.course.project()
    return _status(account, grown)


def _status(account: Account, grown: Decimal) -> LoanStatus:
    """The status of an account whose lines to come are projected, unless principal is owed."""
    if account.ending is not None:
        return LoanStatus(account.ending.value)
    if account.principal + grown or any(line.outstanding for line in account.course.lines):
        return LoanStatus.ACTIVE
    return LoanStatus.OVERPAID if account.credit else LoanStatus.PAID_OFF


def _instalments(account: Account) -> tuple[Instalment, ...]:
    kept, nothing = _shown(account), _nothing(account)
    left = balances(account.terms, kept, account.moves)
    return tuple(
        _instalment(number, line, balance, nothing)
        for number, (line, balance) in enumerate(zip(kept, left, strict=True), 1)
    )


def _shown(account: Account) -> list[Line]:
    """All lines but the last ones that a shortened term left without anything to ask for."""
    lines, count = account.course.lines, len(account.course.lines)
    if not account.course.lent:
        return lines
    while count > account.course.current and not _asks(lines[count - 1]):
        count -= 1
    return lines[:count]


def _asks(line: Line) -> bool:
    return line.touched_on is not None or any(owed.amount for owed in line.everything())


def _instalment(number: int, line: Line, balance: Decimal, nothing: Sums) -> Instalment:
    return Instalment(
        number=number,
        kind=line.kind,
        start=line.period.start,
        due=line.period.due,
        owed=_sums(line, _AMOUNT, nothing),
        paid=_sums(line, _PAID, nothing),
        waived=_sums(line, _WAIVED, nothing),
        written_off=_sums(line, _WRITTEN_OFF, nothing),
        balance=balance,
        agreed=line.period.agreed,
        paid_in_advance=line.paid_in_advance,
        paid_late=line.paid_late,
        met_on=None if line.outstanding else line.touched_on,
    )


def _sums(line: Line, column: Callable[[Owed], Decimal], nothing: Sums) -> Sums:
    principal, interest = column(line.principal), column(line.interest)
    sums = nothing
    if principal or interest:
        sums = Sums(principal, interest, nothing.fees, nothing.penalties)
    for charge in line.charges:
        amount = column(charge)
        if amount:
            sums = sums.plus(charge.component, amount)
    return sums


def _charges(account: Account) -> tuple[Charge, ...]:
    if not account.charges:
        return ()
    lines = enumerate(account.course.lines, 1)
    shown = {id(owed): number for number, line in lines for owed in line.charges}
    return tuple(
        Charge(
            entry, owed.component, owed.due_on, owed.amount, owed.paid, owed.waived,
            owed.written_off, shown.get(id(owed)),
        )
        for entry, parts in account.charges.items()
        for owed in parts
    )  # fmt: skip


def _nothing(account: Account) -> Sums:
    """Nothing of each component, in the currency's digits."""
    return Sums(*[account.nothing] * 4)


def allocations_of(account: Account) -> dict[int, Allocation]:
    """What each entry did that counts, by number."""
    nothing = _nothing(account)
    return {number: _allocation(number, done, nothing) for number, done in account.done.items()}


def allocation_of(account: Account, number: int) -> Allocation | None:
    """What one entry did, if it counts."""
    done = account.done.get(number)
    return None if done is None else _allocation(number, done, _nothing(account))


def _allocation(number: int, done: Done, nothing: Sums) -> Allocation:
    effect = done.effect
    return Allocation(
        entry=number,
        sums=nothing.add(effect.sums),
        credit=effect.credit,
        recovered=effect.recovered,
        balance=done.balance,
        portions=tuple([_portion(taken) for taken in effect.taken]),
    )


def _portion(taken: Taken) -> Portion:
    return Portion(None if taken.line is None else taken.line.due, taken.component, taken.amount)


def payable_of(account: Account, due_on: date, on: date) -> Sums:
    """What may be paid on `on` of the instalment due on `due_on`."""
    sums = _nothing(account)
    for index, line in enumerate(account.course.lines):
        if line.due == due_on and line.kind is not LineKind.DOWN_PAYMENT:
            sums = _all_of(account, index, on, sums)
    return sums


def payoff_of(account: Account, on: date) -> Sums:
    """What would pay all on `on`: what is due, principal to come, interest accrued, charges.

    Precomputed interest to come is part of it only where a payoff does not repay principal at once.
    """
    course, nothing = account.course, _nothing(account)
    rule = account.rule(PaymentKind.PAYOFF)
    at_once = rule.prepayment in CURTAILS
    rebated = at_once and account.terms.interest_basis is InterestBasis.SCHEDULED
    if at_once:
        account.end_terms()
    sums = nothing
    for index, line in enumerate(course.lines):
        sums = _all_of(account, index, on, sums)
        if rebated and index >= course.current:
            sums = sums.plus(Component.INTEREST, -account.unearned(index, line, on))
    return sums._replace(principal=account.principal + account.capitalised_in_grace())


def _all_of(account: Account, index: int, on: date, sums: Sums) -> Sums:
    for owed in account.course.lines[index].everything():
        sums = sums.plus(owed.component, account.payable(index, owed, on))
    return sums
