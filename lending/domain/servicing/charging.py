"""Charges and what is waived of them."""

from decimal import Decimal
from typing import Final

from lending.domain import money
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.loan import entries as act
from lending.domain.servicing import commands as c
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import book_on
from lending.domain.servicing.entering import UNBOOKED, enter, loan_of, outside
from lending.domain.servicing.paying import implausible
from lending.domain.servicing.state import Loan


def assess(command: c.AssessCharge, state: Application, given: Circumstances) -> Answer:
    """A fee or a penalty."""
    loan = loan_of(state)
    if (wrong := wrong_amount(command.amount, "amount", state.currency)) is not None:
        return wrong
    if (refused := implausible(command.amount, loan, state)) is not None:
        return refused
    due_on = command.due_on or given.effective_on
    if (refused := outside("due_on", due_on, given, loan.funded_on)) is not None:
        return refused
    assessed = e.ChargeAssessed(
        kind=command.kind,
        amount=money.in_currency(command.amount, state.currency),
        due_on=due_on,
        booking=UNBOOKED,
        name=command.name,
    )
    return [enter(loan, assessed, given).event]


_MADE_PRINCIPAL: Final = Refused(
    Refusal.ABOVE_WHAT_IS_UNPAID,
    "capitalisation made it principal: reverse the charge, or adjust it",
)


def waive(command: c.WaiveCharge, state: Application, given: Circumstances) -> Answer:
    """A charge, or a part of one, that is not asked for any more."""
    loan = loan_of(state)
    entry = loan.entry(command.version)
    if entry is None or not isinstance(entry.act, act.ChargeAssessed):
        return Refused(Refusal.TRANSACTION_UNKNOWN, f"no charge has version {command.version}")
    if command.version in loan.reversed:
        return Refused(Refusal.TRANSACTION_REVERSED, f"version {command.version}")
    if command.amount is not None:
        wrong = wrong_amount(command.amount, "amount", state.currency)
        if wrong is not None:
            return wrong
    if given.effective_on < entry.on:
        return Refused(Refusal.BEFORE_THE_TRANSACTION, f"it counts from {entry.on}")
    parts = [one for one in book_on(loan, given.effective_on).charges if one.entry == entry.number]
    unpaid = parts[-1].outstanding
    if not unpaid and sum(one.amount for one in parts) != entry.act.amount:
        return _MADE_PRINCIPAL
    if not unpaid and (command.amount is None or _is_waived(command, loan)):
        return []
    amount = unpaid if command.amount is None else command.amount
    waived = e.ChargeWaived(
        of=command.version,
        amount=money.in_currency(amount, state.currency),
        booking=UNBOOKED,
    )
    entered = enter(loan, waived, given)
    booked = entered.booking.fees + entered.booking.penalties
    if amount > booked:
        return Refused(Refusal.ABOVE_WHAT_IS_UNPAID, f"{booked:f} {state.currency} are unpaid")
    return [entered.event]


def _is_waived(command: c.WaiveCharge, loan: Loan) -> bool:
    """Whether so much was waived of that charge before."""
    same = act.ChargeWaived(of=command.version, amount=command.amount or Decimal(0))
    return any(one.act == same for one in loan.counting)


def waive_interest(command: c.WaiveInterest, state: Application, given: Circumstances) -> Answer:
    """Interest that fell due and is not asked for any more."""
    loan = loan_of(state)
    if (wrong := wrong_amount(command.amount, "amount", state.currency)) is not None:
        return wrong
    amount = money.in_currency(command.amount, state.currency)
    entered = enter(loan, e.InterestWaived(amount=amount, booking=UNBOOKED), given)
    unpaid = entered.booking.interest
    if amount > unpaid:
        return Refused(Refusal.ABOVE_WHAT_IS_UNPAID, f"{unpaid:f} {state.currency} are unpaid")
    return [entered.event]
