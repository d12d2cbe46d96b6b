"""How a loan ends, or is taken to loss: charge-off, write-off, settlement, refinancing, transfer."""

from typing import Any

from lending.domain import money
from lending.domain.application.amounts import too_fine
from lending.domain.application.circumstances import Answer, Both, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application, Status
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.engine import payoff
from lending.domain.loan.terms import PaymentKind
from lending.domain.servicing import commands as c
from lending.domain.servicing import events as e
from lending.domain.servicing.entering import UNBOOKED, Entered, enter, later_entries, loan_of
from lending.domain.servicing.evolve import evolve_loan
from lending.domain.servicing.funding import pay_out
from lending.domain.servicing.paying import implausible, wrong_payment
from lending.domain.servicing.state import reference_of


def end(command: Any, state: Application, given: Circumstances) -> Answer:
    """What ends a loan, or takes it to loss; nothing that counts may stand behind it."""
    if (refused := later_entries(loan_of(state), given)) is not None:
        return refused
    match command:
        case c.ChargeOff(text=text):
            return [_entered(e.ChargedOff(booking=UNBOOKED, text=text), state, given).event]
        case c.WriteOff(text=text):
            return [_entered(e.WrittenOff(booking=UNBOOKED, text=text), state, given).event]
        case c.Settle():
            return _settle(command, state, given)
        case c.Transfer():
            return _transfer(command, state, given)
        case _:
            return _refinance(command, state, given)


def undo_charge_off(command: c.UndoChargeOff, state: Application, given: Circumstances) -> Answer:
    """A charge-off that never counted."""
    charge_off = loan_of(state).charge_off
    if charge_off is None:
        return Refused(Refusal.NOT_CHARGED_OFF)
    undone = e.ChargeOffUndone(of=charge_off, booking=UNBOOKED, text=command.text)
    return [_entered(undone, state, given).event]


def close(_command: c.CloseLoan, state: Application, given: Circumstances) -> Answer:
    """An account on which nothing is owed either way."""
    loan = loan_of(state)
    if loan.status is not LoanStatus.PAID_OFF:
        return Refused(Refusal.BALANCE_NOT_ZERO)
    return later_entries(loan, given) or [e.Closed()]


def _entered(event: Any, state: Application, given: Circumstances) -> Entered:
    return enter(loan_of(state), event, given)


def _settle(command: c.Settle, state: Application, given: Circumstances) -> Answer:
    """A payment that is taken for all, and the rest given up."""
    loan = loan_of(state)
    if (wrong := wrong_payment(command, loan, state)) is not None:
        return wrong
    amount = money.in_currency(command.amount, state.currency)
    repaid = e.Repaid(
        amount=amount,
        kind=PaymentKind.PAYOFF,
        booking=UNBOOKED,
        channel=command.channel,
        reference=reference_of(command.reference),
    )
    paid = enter(loan, repaid, given)
    if paid.booking.status is not LoanStatus.ACTIVE:
        return Refused(Refusal.NOTHING_TO_SETTLE, "it pays the loan off")
    after = evolve_loan(loan, paid.event, given.version + 1, given.effective_on)
    if after is None:
        raise ValueError("a payment leaves a loan")
    settled = enter(after, e.Settled(booking=UNBOOKED), given, ahead=1)
    return [paid.event, settled.event]


def _transfer(command: c.Transfer, state: Application, given: Circumstances) -> Answer:
    price = command.price or money.in_currency(loan_of(state).balance * 0, state.currency)
    if (wrong := too_fine(price, "price", state.currency)) is not None:
        return wrong
    if (refused := implausible(price, loan_of(state), state)) is not None:
        return refused
    transferred = e.Transferred(
        to=command.to, price=money.in_currency(price, state.currency), booking=UNBOOKED
    )
    return [_entered(transferred, state, given).event]


def _refinance(command: c.Refinance, state: Application, given: Circumstances) -> Answer:
    """This loan paid off by paying out another one."""
    loan, other = loan_of(state), given.named
    if command.into == given.application_id:
        return Refused(Refusal.REFINANCING_INTO_ITSELF)
    if other is None or not other.exists:
        return Refused(Refusal.REFINANCING_UNKNOWN, f"{command.into}")
    if other.borrowers.isdisjoint(state.borrowers):
        return Refused(Refusal.REFINANCING_OF_OTHERS)
    offer = other.accepted_offer
    ready = other.status is Status.ACCEPTED and offer is not None and offer.terms is not None
    if offer is None or not ready or other.holds:
        return Refused(Refusal.REFINANCING_NOT_READY, f"it is {other.status}")
    if other.applied_at is not None and given.effective_at < other.applied_at:
        return Refused(Refusal.EFFECTIVE_BEFORE_APPLICATION, "of the other loan")
    if other.currency != state.currency:
        return Refused(Refusal.CURRENCY_DIFFERS, f"the other loan is in {other.currency}")
    owed = money.in_currency(
        payoff(loan.known_terms, loan.entries, given.effective_on).total, state.currency
    )
    refinanced = e.Refinanced(into=command.into, amount=owed, booking=UNBOOKED)
    event = _entered(refinanced, state, given).event
    there = pay_out(
        other,
        offer.amount,
        given._replace(version=given.named_version),
        refinanced=owed,
        refinances=given.application_id,
    )
    if isinstance(there, Refused):
        return there
    return Both([event], there)
