"""What a loan's entries come to on every account of the journal, on a day.

The position is computed from the book, not summed up: receivables are what is owed, cash is what
changed hands, and income is what must have been earned for both to hold. A transaction's postings are
the difference between the position with it and without, whatever it changed of the past.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from lending.domain.loan import entries as e
from lending.domain.loan.account import Account, Effect
from lending.domain.loan.book import PAID, Sums
from lending.domain.loan.engine import fold, in_force
from lending.domain.loan.entries import Ending, Entry
from lending.domain.loan.journal import LedgerAccount, Posting, payment_source
from lending.domain.loan.lines import LineKind
from lending.domain.loan.reading import status_of
from lending.domain.loan.rounding import ZERO, interest_rounder
from lending.domain.loan.terms import Component, InterestGrace, Terms

Position = Mapping[LedgerAccount, Decimal]
"""The balance of each account that has one: debits above zero, credits below. It sums to zero."""

_A = LedgerAccount
_INCOME_OF: Final = {
    Component.INTEREST: (_A.INTEREST_RECEIVABLE, _A.INTEREST_INCOME),
    Component.FEE: (_A.FEES_RECEIVABLE, _A.FEE_INCOME),
    Component.PENALTY: (_A.PENALTIES_RECEIVABLE, _A.PENALTY_INCOME),
}


class Unbalanced(Exception):
    """The accounts of a loan do not sum to zero: a fault of the engine."""


def position(terms: Terms, entries: Iterable[Entry], on: date, account: Account) -> Position:
    """The position of a loan at the end of `on`, of which `account` is the fold. Raises Unbalanced.

    A loan taken to loss, or ended, is off the books: what is paid on it later is recovered.
    """
    counting = in_force(terms, entries, on)
    taken_off = next(
        (i for i, one in enumerate(counting) if isinstance(one.act, e.ChargedOff | e.Ended)), None
    )
    if taken_off is None:
        return _balanced(_standing(account, counting, on))
    before, off = counting[:taken_off], counting[taken_off]
    found = _standing(fold(terms, before, off.on), before, off.on)
    _take_off(found, off.act)
    for entry in counting[taken_off + 1 :]:
        _recover(found, account, entry)
    return _balanced(found)


def difference(before: Position, after: Position) -> tuple[Posting, ...]:
    """The postings that lead from one position to another, in the order of the chart."""
    moved = ((one, after.get(one, ZERO) - before.get(one, ZERO)) for one in LedgerAccount)
    return tuple(Posting(one, amount) for one, amount in moved if amount)


def _balanced(found: dict[LedgerAccount, Decimal]) -> Position:
    total = sum(found.values(), ZERO)
    if total:
        raise Unbalanced(f"the accounts sum to {total}")
    return {account: amount for account, amount in found.items() if amount}


def _standing(
    account: Account, counting: Sequence[Entry], on: date
) -> defaultdict[LedgerAccount, Decimal]:
    """The position of a loan that is on the books."""
    found: defaultdict[LedgerAccount, Decimal] = defaultdict(Decimal)
    grown = account.capitalised_in_grace()
    found[_A.LOANS_RECEIVABLE] = account.principal + grown
    found[_A.CREDIT_BALANCES] = -account.credit
    receivable = earned(account, on)
    settled = Sums(interest=grown)
    for entry in counting:
        effect = account.done[entry.number].effect
        settled = settled.add(_through_other_accounts(found, account, entry, effect))
    for component, (owed, income) in _INCOME_OF.items():
        found[owed] += receivable.of(component)
        found[income] -= receivable.of(component) + settled.of(component)
    return found


def earned(account: Account, on: date) -> Sums:
    """Interest and charges earned and not paid; below zero, paid and not earned yet.

    Once nothing is owed any more, all that was paid is earned.
    """
    if status_of(account) in PAID:
        return Sums()
    return Sums(ZERO, _interest_receivable(account, on), *_charges_receivable(account))


def _through_other_accounts(
    found: defaultdict[LedgerAccount, Decimal], account: Account, entry: Entry, effect: Effect
) -> Sums:
    """Post what an entry did to other accounts than receivables and income; what it settled of
    interest and charges, below zero where it brought them in or back.
    """
    sums = effect.sums
    match entry.act:
        case e.Disbursed(amount=amount, fee=fee, refinanced=refinanced):
            found[_A.CASH] -= amount - fee - refinanced
            found[_A.SUSPENSE] -= refinanced
            found[_A.FEE_INCOME] -= fee
        case e.Boarded(accrued_interest=accrued, overdue=overdue):
            late = Sums(
                interest=accrued + sum((one.interest for one in overdue), ZERO),
                fees=sum((one.fees for one in overdue), ZERO),
                penalties=sum((one.penalties for one in overdue), ZERO),
            )
            found[_A.SUSPENSE] -= sums.principal + late.total
            return _negative(late)
        case e.Paid(amount=amount):
            found[_source(account, entry.act)] += amount
            return sums
        case e.ChargedBack(amount=amount) | e.CreditRefunded(amount=amount):
            found[_A.CASH] -= amount
            return _negative(sums)
        case e.Capitalised():
            return sums
        case e.Forgiven():
            found[_A.FORGIVENESS_EXPENSE] += sums.principal
        case _:
            pass
    return Sums()


def _source(account: Account, act: e.Paid) -> LedgerAccount:
    """What a payment is debited to: of an adjustment the income of the charge, a fee's or a penalty's."""
    charge = account.charge(act.charge)
    return payment_source(act.kind) if charge is None else _INCOME_OF[charge.component][1]


def _negative(sums: Sums) -> Sums:
    return Sums(*(-amount for amount in sums))


def _take_off(found: defaultdict[LedgerAccount, Decimal], act: e.Act) -> None:
    """Take the receivables off the books: lost, or against what somebody gave for them."""
    proceeds = act.proceeds if isinstance(act, e.Ended) else ZERO
    left = proceeds
    taken_over = isinstance(act, e.Ended) and act.how in (Ending.REFINANCED, Ending.TRANSFERRED)
    if taken_over:
        found[_A.SUSPENSE] += proceeds
    for owed, income in _INCOME_OF.values():
        amount = found.pop(owed, ZERO)
        if taken_over:
            left -= amount
        else:
            found[income] += amount
    principal = found.pop(_A.LOANS_RECEIVABLE, ZERO)
    if not taken_over:
        found[_A.CHARGE_OFF_EXPENSE] += principal
    elif isinstance(act, e.Ended) and act.how is Ending.REFINANCED:
        found[_A.INTEREST_INCOME] -= left - principal
    else:
        found[_A.TRANSFER_RESULT] -= left - principal


def _recover(found: defaultdict[LedgerAccount, Decimal], account: Account, entry: Entry) -> None:
    """Post what came in, or went back, on a loan that is off the books."""
    effect = account.done[entry.number].effect
    match entry.act:
        case e.Paid() | e.ChargedBack() | e.CreditRefunded():
            settled = _through_other_accounts(found, account, entry, effect)
            found[_A.RECOVERY_INCOME] -= settled.total or effect.recovered
            found[_A.CREDIT_BALANCES] -= effect.credit
        case e.Ended(proceeds=proceeds):
            found[_A.SUSPENSE] += proceeds
            found[_A.RECOVERY_INCOME] -= proceeds
        case _:
            pass


def _interest_receivable(account: Account, on: date) -> Decimal:
    """Interest earned by the end of `on` and not paid; below zero, paid and not earned yet."""
    course = account.course
    lines, current = course.lines, course.current
    owed = sum((line.interest.outstanding for line in lines[:current]), account.nothing)
    ahead = sum(
        (
            line.added_interest - line.interest.paid - line.interest.waived
            for line in lines[current:]
        ),
        ZERO,
    )
    return owed + ahead + course.place().deferred + _earned_in_current(account, on)


def _earned_in_current(account: Account, on: date) -> Decimal:
    """Interest of the period under way."""
    course, terms = account.course, account.terms
    if course.current == len(course.lines):
        return account.nothing
    line = course.lines[course.current]
    if line.interest_grace and terms.interest_grace_as is InterestGrace.WAIVED:
        return account.nothing
    if line.flat_interest is None or line.kind is not LineKind.INSTALMENT:
        return course.accrued_by(on)
    whole = (line.due - line.period.start).days
    passed = max((on - line.period.start).days, 0)
    return interest_rounder(terms)(line.flat_interest * passed / whole) if whole else ZERO


def _charges_receivable(account: Account) -> tuple[Decimal, Decimal]:
    """Fees and penalties that are earned and not paid: assessed ones at once, those that come with
    every instalment on its due date.
    """
    sums = {Component.FEE: account.nothing, Component.PENALTY: account.nothing}
    for index, line in enumerate(account.course.lines):
        for owed in line.charges:
            earned = owed.entry is not None or index < account.course.current
            sums[owed.component] += owed.outstanding if earned else -owed.paid
    return sums[Component.FEE], sums[Component.PENALTY]
