"""Commands on a loan to events: which rule answers which command."""

from typing import Any

from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.servicing import changing, charging, day_close, ending, funding, paying
from lending.domain.servicing import commands as c
from lending.domain.servicing.entering import unfit


def answer(command: c.ServicingCommand, state: Application, given: Circumstances) -> Answer:
    """What a command causes where the state does not forbid its kind."""
    if isinstance(command, c.Board):
        return funding.board(command, state, given)
    if isinstance(command, c.Redisclose):
        return funding.redisclose(command, state, given)
    if isinstance(command, c.CloseDay):
        return day_close.close_day(state, given)
    if state.loan is None:
        return Refused(Refusal.NOT_FUNDED)
    if (refused := unfit(state.loan, given)) is not None:
        return refused
    return _answer(command, state, given)


def already_so(command: c.ServicingCommand, state: Application) -> bool:
    """Whether the loan stands already where the command would have it."""
    loan = state.loan
    if loan is None:
        return False
    match command:
        case c.CloseLoan():
            return loan.closed
        case c.ChargeOff():
            return loan.charge_off is not None and not loan.ended
        case c.WriteOff():
            return loan.status.value == "written_off"
        case _:
            return False


def _answer(command: Any, state: Application, given: Circumstances) -> Answer:  # noqa: C901, PLR0912 one line a command
    match command:
        case c.SetTerms():
            return funding.set_terms(command, state, given)
        case c.Reverse():
            return paying.reverse(command, state, given)
        case c.Repay():
            return paying.repay(command, state, given)
        case c.Recover():
            return paying.recover(command, state, given)
        case c.ChargeBack():
            return paying.charge_back(command, state, given)
        case c.RefundCredit():
            return paying.refund_credit(command, state, given)
        case c.AssessCharge():
            return charging.assess(command, state, given)
        case c.WaiveCharge():
            return charging.waive(command, state, given)
        case c.WaiveInterest():
            return charging.waive_interest(command, state, given)
        case c.UndoChargeOff():
            return ending.undo_charge_off(command, state, given)
        case c.CloseLoan():
            return ending.close(command, state, given)
        case c.ChargeOff() | c.WriteOff() | c.Settle() | c.Refinance() | c.Transfer():
            return ending.end(command, state, given)
        case _:
            return changing.change(command, state, given)
