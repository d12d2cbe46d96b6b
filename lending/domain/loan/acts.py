"""What each kind of entry does to the account. One function a kind, one table of them."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from lending.domain.loan import entries as e
from lending.domain.loan import restructuring
from lending.domain.loan.account import Account, Effect, Taken
from lending.domain.loan.allocation import allocate, sums_of
from lending.domain.loan.book import PAID, Sums
from lending.domain.loan.entries import Act
from lending.domain.loan.lines import LineKind
from lending.domain.loan.reading import status_of
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Component, PaymentKind


def perform(account: Account, act: Act, number: int, on: date) -> Effect:
    """Let `act` count on the account, which has accrued to that day.

    An act that a correction left without its object, such as a move of a due date that is not there
    any more, or new terms of a loan that a payment booked later had paid off before, does nothing:
    refusing it in time is the business of commands.
    """
    if isinstance(act, _NEEDS_INSTALMENTS) and not account.instalments_to_come:
        return Effect()
    if isinstance(act, _RESCHEDULES) and not account.bears_interest:
        return Effect()
    if isinstance(act, _RESTRUCTURES) and (not account.funded or status_of(account) in PAID):
        return Effect()
    return _ACTS[type(act)](account, act, number, on)


_RESCHEDULES: Final = (e.DueDateMoved, e.Paused, e.Extended)
_RESTRUCTURES: Final = (e.ReAged, e.ReAmortised, e.Capitalised)
_NEEDS_INSTALMENTS: Final = (*_RESCHEDULES, e.RateChanged, e.ReAmortised, e.Capitalised)

# funding


def _disbursed(account: Account, act: e.Disbursed, _number: int, on: date) -> Effect:
    course, terms = account.course, account.terms
    if not account.funded:
        found = account.first_periods(act.start or on, act.dues, act.agreed)
        account.fund(account.planner.lines(found, terms.rate_percent))
        course.run_to(on)
    if not account.instalments_to_come:
        _add_principal(account, act.amount, on)
    else:
        if account.next_rate is not None:
            account.bear(account.next_rate)
        account.lend(act.amount, on)
        account.planner.disburse(course, act.amount, on)
    return Effect(Sums(principal=act.amount))


def _boarded(account: Account, act: e.Boarded, _number: int, _on: date) -> Effect:
    course, terms = account.course, account.terms
    found = account.first_periods(act.paid_through, act.dues, act.agreed)
    overdue = [account.planner.overdue(one) for one in act.overdue]
    account.fund(overdue + account.planner.lines(found, terms.rate_percent, graced=False))
    taken_over = _taken_over(act)
    owed_since = min([act.paid_through, *(one.due_on for one in act.overdue)])
    account.lend(taken_over.principal, owed_since)
    course.carry(act.accrued_interest)
    course.run_to(act.paid_through)
    account.planner.plan(course, course.current)
    return Effect(taken_over)


def _taken_over(act: e.Boarded) -> Sums:
    """All that is owed already: principal, interest accrued to that day, and the arrears."""
    sums = Sums(act.principal, act.accrued_interest)
    for one in act.overdue:
        sums = sums.add(Sums(one.principal, one.interest, one.fees, one.penalties))
    return sums


# paying


def _paid(account: Account, act: e.Paid, _number: int, on: date) -> Effect:
    if account.ending is not None and act.kind is PaymentKind.RECOVERY:
        return Effect(recovered=act.amount)
    if act.directed:
        taken = [_direct(account, one, on) for one in act.directed]
    else:
        taken = _adjust(account, act, on)
        left = act.amount - sum((one.amount for one in taken), ZERO)
        taken += allocate(account, account.rule(act.kind), left, on)
    sums = sums_of(taken)
    recovered = _recovered(account, sums.total)
    return Effect(sums, act.amount - sums.total, recovered, taken=tuple(taken))


def _recovered(account: Account, amount: Decimal) -> Decimal:
    """What of money on a loan is recovered: all of it once the loan was taken to loss, or has ended."""
    off = account.charged_off_on is not None or account.ending is not None
    return amount if off else account.nothing


def _adjust(account: Account, act: e.Paid, on: date) -> list[Taken]:
    """Pay the charge that is adjusted, wherever it is held; what was paid of it pays other things."""
    owed = account.charge(act.charge)
    if owed is None or not owed.outstanding:
        return []
    index = next(
        index
        for index, line in enumerate(account.course.lines)
        if any(held is owed for held in line.charges)
    )
    return [account.pay(index, owed, min(owed.outstanding, act.amount), on)]


def _direct(account: Account, part: e.Directed, on: date) -> Taken:
    lines = account.course.lines
    index = next(
        index
        for index, line in enumerate(lines)
        if line.due == part.due_on and line.kind is not LineKind.DOWN_PAYMENT
    )
    owed = lines[index].owed((part.component,))[0]
    return account.pay(index, owed, part.amount, on)


def _charged_back(account: Account, act: e.ChargedBack, number: int, on: date) -> Effect:
    """Owed again; on a loan that has ended nothing is, and what went back is lost."""
    credit = min(act.amount, account.credit)
    left = act.amount - credit
    if account.ending is not None:
        return Effect(credit=-credit, recovered=-left)
    before = account.charged_back.get(act.of, Sums())
    paid = account.done[act.of].effect.sums if act.of in account.done else Sums()
    back = Sums()
    for component in account.terms.charge_back_order:
        part = min(left, paid.of(component) - before.of(component))
        back, left = back.plus(component, part), left - part
    back = back.plus(Component.PRINCIPAL, left)
    account.charged_back[act.of] = before.add(back)
    _owe_again(account, back, number, on)
    return Effect(back, -credit, _recovered(account, -back.total))


def _credit_refunded(account: Account, act: e.CreditRefunded, number: int, on: date) -> Effect:
    credit = min(act.amount, account.credit)
    if account.ending is not None:
        return Effect(credit=-credit, recovered=credit - act.amount)
    back = Sums(principal=act.amount - credit)
    _owe_again(account, back, number, on)
    return Effect(back, -credit, _recovered(account, -back.total))


def _owe_again(account: Account, back: Sums, number: int, on: date) -> None:
    if back.principal:
        _add_principal(account, back.principal, on)
    if not back.total - back.principal:
        return
    line = account.course.lines[account.line_for(on, on)]
    line.added_interest += back.interest
    line.interest.amount += back.interest
    for component in (Component.FEE, Component.PENALTY):
        if back.of(component):
            line.charge(component, line.due, back.of(component), number)


def _add_principal(account: Account, amount: Decimal, on: date) -> None:
    """Principal that is owed with the instalment of the day, beside what that one asks for."""
    account.principal += amount
    account.course.add_back(account.line_for(on, on), amount)


# charges and waivers


def _charge_assessed(account: Account, act: e.ChargeAssessed, number: int, on: date) -> Effect:
    line = account.course.lines[account.line_for(act.due_on, on)]
    account.charges[number] = [line.charge(act.component, act.due_on, act.amount, number)]
    return Effect(Sums().plus(act.component, act.amount))


def _charge_waived(account: Account, act: e.ChargeWaived, _number: int, _on: date) -> Effect:
    owed = account.charge(act.of)
    if owed is None:
        return Effect()
    amount = min(act.amount, owed.outstanding)
    owed.waived += amount
    return Effect(Sums().plus(owed.component, amount))


def _interest_waived(account: Account, act: e.InterestWaived, _number: int, on: date) -> Effect:
    left = act.amount
    for line in account.course.lines[account.oldest : account.course.current]:
        part = min(left, line.interest.outstanding)
        line.interest.waived += part
        line.touched_on = on if part else line.touched_on
        left -= part
    return Effect(Sums(interest=act.amount - left))


def _forgiven(account: Account, act: e.Forgiven, _number: int, on: date) -> Effect:
    left = act.amount
    for line in account.course.lines[account.oldest : account.course.current]:
        part = min(left, line.principal.outstanding)
        account.write_off(line.principal, part)
        line.touched_on = on if part else line.touched_on
        left -= part
    ahead = min(left, account.course.to_come)
    if ahead:
        account.lend(-ahead, on)
    return Effect(Sums(principal=act.amount - left + ahead))


def _capitalised(account: Account, _act: e.Capitalised, _number: int, on: date) -> Effect:
    moved = restructuring.take_out_charges(account, on)
    account.lend(moved.total, on)
    account.planner.plan(account.course, account.course.current)
    return Effect(moved)


# terms


def _rate_changed(account: Account, act: e.RateChanged, _number: int, _on: date) -> Effect:
    restructuring.change_rate(account, act)
    return Effect()


def _due_date_moved(account: Account, act: e.DueDateMoved, _number: int, _on: date) -> Effect:
    restructuring.move_due_date(account, act)
    return Effect()


def _paused(account: Account, act: e.Paused, _number: int, _on: date) -> Effect:
    restructuring.pause(account, act)
    return Effect()


def _extended(account: Account, act: e.Extended, _number: int, _on: date) -> Effect:
    restructuring.extend(account, act)
    return Effect()


def _re_aged(account: Account, act: e.ReAged, _number: int, on: date) -> Effect:
    return Effect(restructuring.re_age(account, act, on))


def _re_amortised(account: Account, _act: e.ReAmortised, _number: int, on: date) -> Effect:
    return Effect(restructuring.re_amortise(account, on))


# ends and overlays


def _charged_off(account: Account, _act: e.ChargedOff, _number: int, on: date) -> Effect:
    account.charged_off_on = on
    account.course.project()
    return Effect(account.outstanding())


def _ended(account: Account, act: e.Ended, _number: int, on: date) -> Effect:
    account.ending = act.how
    owed = restructuring.accelerate(account, on)
    for line in account.course.lines:
        for one in line.everything():
            if one.outstanding:
                account.write_off(one, one.outstanding)
                line.touched_on = on
    return Effect(owed)


def _delinquency_paused(
    account: Account, act: e.DelinquencyPaused, _number: int, on: date
) -> Effect:
    account.pauses.append((on, act.until))
    return Effect()


def _delinquency_resumed(
    account: Account, _act: e.DelinquencyResumed, _number: int, on: date
) -> Effect:
    account.pauses = [(start, min(until, on)) for start, until in account.pauses]
    return Effect()


_ACTS: Final[Mapping[type[Act], Callable[[Account, Any, int, date], Effect]]] = MappingProxyType(
    {
        e.Disbursed: _disbursed,
        e.Boarded: _boarded,
        e.Paid: _paid,
        e.ChargedBack: _charged_back,
        e.CreditRefunded: _credit_refunded,
        e.ChargeAssessed: _charge_assessed,
        e.ChargeWaived: _charge_waived,
        e.InterestWaived: _interest_waived,
        e.Forgiven: _forgiven,
        e.Capitalised: _capitalised,
        e.RateChanged: _rate_changed,
        e.DueDateMoved: _due_date_moved,
        e.Paused: _paused,
        e.Extended: _extended,
        e.ReAged: _re_aged,
        e.ReAmortised: _re_amortised,
        e.ChargedOff: _charged_off,
        e.Ended: _ended,
        e.DelinquencyPaused: _delinquency_paused,
        e.DelinquencyResumed: _delinquency_resumed,
    }
)
