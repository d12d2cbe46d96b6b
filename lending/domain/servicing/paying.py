"""Money that comes in and goes back: payments, recoveries, reversals, charge-backs, refunds."""

from decimal import Decimal
from typing import Any, Final

from lending.domain import money
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.loan import entries as act
from lending.domain.loan.engine import payoff
from lending.domain.loan.entries import Entry
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import PaymentKind
from lending.domain.servicing import commands as c
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import book_on
from lending.domain.servicing.entering import UNBOOKED, enter, loan_of
from lending.domain.servicing.state import Loan, Moved, reference_of

_PAYS_OFF: Final = (PaymentKind.INSTALMENT, PaymentKind.PREPAYMENT)
"""Kinds of payment that pay a loan off where they are enough to: no interest is due beyond the day."""

PLAUSIBLE_TIMES: Final = 10
"""A payment of more than so many times all that was ever lent is taken for a slip."""


def repay(command: c.Repay, state: Application, given: Circumstances) -> Answer:
    """Money that came in."""
    loan = loan_of(state)
    wrong = wrong_payment(command, loan, state)
    if wrong is not None:
        return wrong
    if (refused := _kind_not_taken(command, loan)) is not None:
        return refused
    if command.charge is not None:
        refused = _wrong_adjustment(command.charge, command.amount, loan, given)
        if refused is not None:
            return refused
    amount, kind = money.in_currency(command.amount, state.currency), command.kind
    if kind is PaymentKind.PAYOFF or (kind in _PAYS_OFF and amount >= loan.balance):
        wanted = payoff(loan.known_terms, loan.entries, given.effective_on).total
        if amount >= wanted > 0:
            kind = PaymentKind.PAYOFF
        elif kind is PaymentKind.PAYOFF and not wanted:
            return Refused(Refusal.NOTHING_OWED, f"on {given.effective_on}")
        elif kind is PaymentKind.PAYOFF:
            return Refused(Refusal.PAYOFF_SHORT, f"{wanted:f} {state.currency} pay it off")
    repaid = e.Repaid(
        amount=amount,
        kind=kind,
        booking=UNBOOKED,
        channel=command.channel,
        reference=reference_of(command.reference),
        charge=command.charge,
    )
    return [enter(loan, repaid, given).event]


def _kind_not_taken(command: c.Repay, loan: Loan) -> Refused | None:
    """Why a repayment of this kind makes no sense on this loan."""
    kind = command.kind
    if (kind is PaymentKind.CHARGE_ADJUSTMENT) != (command.charge is not None):
        said = "a charge_adjustment names the charge that it corrects, and nothing else does"
        return Refused(Refusal.KIND_NOT_ALLOWED, said)
    if kind is PaymentKind.RECOVERY:
        return Refused(Refusal.KIND_NOT_ALLOWED, "record a recovery with recover")
    if kind is PaymentKind.DOWN_PAYMENT and not loan.known_terms.down_payment_percent:
        return Refused(Refusal.KIND_NOT_ALLOWED, "the terms of the loan ask for no down payment")
    return None


def _wrong_adjustment(
    version: int, amount: Decimal, loan: Loan, given: Circumstances
) -> Refused | None:
    """Why a charge cannot be adjusted by so much."""
    charge = _transaction(loan, version)
    if isinstance(charge, Refused):
        return charge
    if not isinstance(charge.act, act.ChargeAssessed):
        return Refused(Refusal.NOT_A_CHARGE, f"version {version}")
    if given.effective_on < charge.on:
        return Refused(Refusal.BEFORE_THE_TRANSACTION, f"it counts from {charge.on}")
    left = charge.act.amount - sum((_taken_off(one.act, version) for one in loan.counting), ZERO)
    if amount <= left:
        return None
    return Refused(Refusal.ABOVE_THE_CHARGE, f"{left:f} {loan.known_terms.currency} are left of it")


def _taken_off(done: act.Act, version: int) -> Decimal:
    """What an entry waived or adjusted of a charge."""
    match done:
        case act.ChargeWaived(of=of, amount=amount) if of == version:
            return amount
        case act.Paid(charge=of, amount=amount) if of == version:
            return amount
        case _:
            return ZERO


def recover(command: c.Recover, state: Application, given: Circumstances) -> Answer:
    """Money on a loan that was taken to loss."""
    loan = loan_of(state)
    wrong = wrong_payment(command, loan, state)
    if wrong is not None:
        return wrong
    recovered = e.Recovered(
        amount=money.in_currency(command.amount, state.currency),
        booking=UNBOOKED,
        channel=command.channel,
        reference=reference_of(command.reference),
    )
    return [enter(loan, recovered, given).event]


def wrong_payment(
    command: c.Repay | c.Recover | c.Settle, loan: Loan, state: Application
) -> Refused | None:
    """Why a payment cannot be taken, whatever it is for."""
    currency = getattr(command, "currency", None)
    if currency not in (None, state.currency):
        return Refused(Refusal.CURRENCY_DIFFERS, f"the loan is in {state.currency}")
    if (wrong := wrong_amount(command.amount, "amount", state.currency)) is not None:
        return wrong
    if (refused := implausible(command.amount, loan, state)) is not None:
        return refused
    return repeated(loan, Moved.PAYMENT, command.reference)


def repeated(loan: Loan, moved: Moved, reference: str | None) -> Refused | None:
    """Whether this reference names other money that moved so, and counts."""
    used = loan.named(moved, reference)
    return None if used is None else Refused(Refusal.REFERENCE_REPEATED, f"version {used} has it")


def implausible(amount: Decimal, loan: Loan, state: Application) -> Refused | None:
    """Whether an amount is too large to be meant of this loan: by what was applied for, where nothing
    counts as lent any more and a charge is left.
    """
    most = lent(loan)
    said = f"{most:f} {state.currency} were lent in all"
    if not most:
        most, said = state.amount, f"{state.amount:f} {state.currency} were applied for"
    if amount <= PLAUSIBLE_TIMES * most:
        return None
    return Refused(Refusal.AMOUNT_IMPLAUSIBLE, said)


def lent(loan: Loan) -> Decimal:
    """All principal that was ever lent on it, or taken over."""
    found = Decimal(0)
    for entry in loan.counting:
        match entry.act:
            case act.Disbursed(amount=amount):
                found += amount
            case act.Boarded(principal=principal, overdue=overdue):
                found += principal + sum((one.principal for one in overdue), Decimal(0))
            case _:
                pass
    return found


# reversals


def reverse(command: c.Reverse, state: Application, given: Circumstances) -> Answer:
    """A transaction that never counted."""
    loan = loan_of(state)
    entry = _transaction(loan, command.version)
    if isinstance(entry, Refused):
        return entry
    if (refused := _irreversible(loan, entry)) is not None:
        return refused
    said: dict[str, Any] = {
        "of": command.version, "reason": command.reason, "text": command.text,
    }  # fmt: skip
    match entry.act:
        case act.Disbursed() if loan.terms is None:
            return [e.DisbursementReversed(**said)]
        case act.Disbursed():
            event: Any = e.DisbursementReversed(booking=UNBOOKED, **said)
        case act.Paid():
            event = e.RepaymentReversed(booking=UNBOOKED, **said)
        case _:
            event = e.EntryReversed(booking=UNBOOKED, **said)
    return [enter(loan, event, given).event]


def _transaction(loan: Loan, version: int) -> Entry | Refused:
    """The transaction of that version, if it is one that counts and can be reversed."""
    entry = loan.entry(version)
    if entry is None:
        return Refused(Refusal.TRANSACTION_UNKNOWN, f"version {version}")
    if isinstance(entry.act, act.Reversed):
        return Refused(Refusal.NOT_REVERSIBLE, "it is a reversal itself; enter the payment again")
    if version in loan.reversed:
        return Refused(Refusal.TRANSACTION_REVERSED, f"version {version}")
    return entry


def _irreversible(loan: Loan, entry: Entry) -> Refused | None:
    """Why this one cannot be reversed as things stand."""
    match entry.act:
        case act.Ended(how=act.Ending.REFINANCED):
            return Refused(Refusal.NOT_REVERSIBLE, "the other loan was paid out by it")
        case act.Disbursed(refinanced=refinanced) if refinanced:
            return Refused(Refusal.NOT_REVERSIBLE, "another loan was paid off by it")
    needed = [one for one in loan.counting if _rests_on(one, entry, loan)]
    if not needed:
        return None
    if any(_is_refinancing(one) for one in needed):
        return Refused(
            Refusal.NOT_REVERSIBLE, "the other loan paid it off as it stood; charge it back"
        )
    numbers = ", ".join(str(one.number) for one in needed[:5])
    return Refused(Refusal.TRANSACTION_IN_USE, f"reverse version {numbers} first")


def _is_refinancing(entry: Entry) -> bool:
    return isinstance(entry.act, act.Ended) and entry.act.how is act.Ending.REFINANCED


def _rests_on(later: Entry, entry: Entry, loan: Loan) -> bool:
    """Whether a transaction makes no sense without another; a charge that somebody assessed does
    without funding, a late fee does not.
    """
    if isinstance(later.act, act.Ended):
        return later.number > entry.number
    match entry.act:
        case act.Disbursed() | act.Boarded():
            stands = isinstance(later.act, act.ChargeAssessed)
            stands = stands and later.number not in loan.late_fees
            return later.number > entry.number and not stands
        case act.Paid():
            return isinstance(later.act, act.ChargedBack) and later.act.of == entry.number
        case act.ChargeAssessed():
            return isinstance(later.act, act.Paid) and later.act.charge == entry.number
        case _:
            return False


def charge_back(command: c.ChargeBack, state: Application, given: Circumstances) -> Answer:
    """A part of a payment that was taken back."""
    loan = loan_of(state)
    if (refused := repeated(loan, Moved.CHARGE_BACK, command.reference)) is not None:
        return refused
    entry = _transaction(loan, command.version)
    if isinstance(entry, Refused):
        return entry
    if not isinstance(entry.act, act.Paid):
        return Refused(Refusal.NOT_A_PAYMENT, f"version {command.version}")
    if given.effective_on < entry.on:
        return Refused(Refusal.BEFORE_THE_TRANSACTION, f"it counts from {entry.on}")
    left = entry.act.amount - sum(
        (
            one.act.amount
            for one in loan.counting
            if isinstance(one.act, act.ChargedBack) and one.act.of == entry.number
        ),
        Decimal(0),
    )
    amount = left if command.amount is None else command.amount
    if left and (wrong := wrong_amount(amount, "amount", state.currency)) is not None:
        return wrong
    if amount > left or not left:
        return Refused(Refusal.ABOVE_THE_PAYMENT, f"{left:f} {state.currency} are left of it")
    charged_back = e.ChargedBack(
        of=command.version,
        amount=money.in_currency(amount, state.currency),
        booking=UNBOOKED,
        reference=reference_of(command.reference),
    )
    return [enter(loan, charged_back, given).event]


def refund_credit(command: c.RefundCredit, state: Application, given: Circumstances) -> Answer:
    """A credit balance that goes back."""
    loan = loan_of(state)
    credit = min(loan.credit, book_on(loan, given.effective_on).credit)
    amount = credit if command.amount is None else command.amount
    if (wrong := wrong_amount(amount, "amount", state.currency)) is not None:
        return wrong
    if (refused := repeated(loan, Moved.REFUND, command.reference)) is not None:
        return refused
    if amount > credit:
        return Refused(Refusal.ABOVE_THE_CREDIT, f"{credit:f} {state.currency} are there")
    refunded = e.CreditRefunded(
        amount=money.in_currency(amount, state.currency),
        booking=UNBOOKED,
        channel=command.channel,
        reference=reference_of(command.reference),
    )
    return [enter(loan, refunded, given).event]
