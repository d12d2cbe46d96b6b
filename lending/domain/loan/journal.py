"""Balanced double-entry postings of every entry, and the chart of accounts.

Principal is a receivable from its advance. Interest, fees and penalties are receivables from their
accrual, which is an entry of its own day by day; what is paid, waived or lost credits them. What a
boarded loan owed already is a receivable from its boarding, against suspense: it is not accrued again.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.domain.loan import entries as e
from lending.domain.loan.book import Allocation, Sums
from lending.domain.loan.entries import Act, Ending
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Component, PaymentKind


class LedgerAccount(StrEnum):
    """The chart of accounts."""

    CASH = "cash"
    SUSPENSE = "suspense"
    LOANS_RECEIVABLE = "loans_receivable"
    INTEREST_RECEIVABLE = "interest_receivable"
    FEES_RECEIVABLE = "fees_receivable"
    PENALTIES_RECEIVABLE = "penalties_receivable"
    CREDIT_BALANCES = "credit_balances"
    INTEREST_INCOME = "interest_income"
    FEE_INCOME = "fee_income"
    PENALTY_INCOME = "penalty_income"
    RECOVERY_INCOME = "recovery_income"
    CHARGE_OFF_EXPENSE = "charge_off_expense"
    FORGIVENESS_EXPENSE = "forgiveness_expense"
    GOODWILL_EXPENSE = "goodwill_expense"
    TRANSFER_RESULT = "transfer_result"


class AccountClass(StrEnum):
    """What an account is in the balance sheet or the income statement."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


CHART: Final[Mapping[LedgerAccount, AccountClass]] = MappingProxyType(
    {
        LedgerAccount.CASH: AccountClass.ASSET,
        LedgerAccount.SUSPENSE: AccountClass.LIABILITY,
        LedgerAccount.LOANS_RECEIVABLE: AccountClass.ASSET,
        LedgerAccount.INTEREST_RECEIVABLE: AccountClass.ASSET,
        LedgerAccount.FEES_RECEIVABLE: AccountClass.ASSET,
        LedgerAccount.PENALTIES_RECEIVABLE: AccountClass.ASSET,
        LedgerAccount.CREDIT_BALANCES: AccountClass.LIABILITY,
        LedgerAccount.INTEREST_INCOME: AccountClass.INCOME,
        LedgerAccount.FEE_INCOME: AccountClass.INCOME,
        LedgerAccount.PENALTY_INCOME: AccountClass.INCOME,
        LedgerAccount.RECOVERY_INCOME: AccountClass.INCOME,
        LedgerAccount.CHARGE_OFF_EXPENSE: AccountClass.EXPENSE,
        LedgerAccount.FORGIVENESS_EXPENSE: AccountClass.EXPENSE,
        LedgerAccount.GOODWILL_EXPENSE: AccountClass.EXPENSE,
        LedgerAccount.TRANSFER_RESULT: AccountClass.EXPENSE,
    }
)

_RECEIVABLE: Final = {
    Component.PRINCIPAL: LedgerAccount.LOANS_RECEIVABLE,
    Component.INTEREST: LedgerAccount.INTEREST_RECEIVABLE,
    Component.FEE: LedgerAccount.FEES_RECEIVABLE,
    Component.PENALTY: LedgerAccount.PENALTIES_RECEIVABLE,
}
_INCOME: Final = {
    Component.INTEREST: LedgerAccount.INTEREST_INCOME,
    Component.FEE: LedgerAccount.FEE_INCOME,
    Component.PENALTY: LedgerAccount.PENALTY_INCOME,
}
_SOURCE: Final = {
    PaymentKind.GOODWILL_CREDIT: LedgerAccount.GOODWILL_EXPENSE,
    PaymentKind.CHARGE_ADJUSTMENT: LedgerAccount.FEE_INCOME,
}
_LOSS: Final = {
    Ending.WRITTEN_OFF: LedgerAccount.CHARGE_OFF_EXPENSE,
    Ending.SETTLED: LedgerAccount.CHARGE_OFF_EXPENSE,
    Ending.REFINANCED: LedgerAccount.SUSPENSE,
    Ending.TRANSFERRED: LedgerAccount.SUSPENSE,
}


class Posting(NamedTuple):
    """An amount on an account: a debit above zero, a credit below."""

    account: LedgerAccount
    amount: Decimal


def payment_source(kind: PaymentKind) -> LedgerAccount:
    """The account that a payment of this kind is debited to."""
    return _SOURCE.get(kind, LedgerAccount.CASH)


def postings(act: Act, allocation: Allocation, *, charged_off: bool) -> tuple[Posting, ...]:
    """The postings of an entry that counts; they sum to zero.

    `charged_off`: the loan had been taken to loss before, so that its receivables are gone.
    """
    lines = _lines(act, allocation, charged_off=charged_off)
    return tuple(line for line in lines if line.amount)


def reversal(entered: tuple[Posting, ...]) -> tuple[Posting, ...]:
    """The postings that take others back."""
    return tuple(Posting(line.account, -line.amount) for line in entered)


def _lines(act: Act, allocation: Allocation, *, charged_off: bool) -> list[Posting]:
    sums, credit = allocation.sums, allocation.credit
    match act:
        case e.Disbursed():
            return _owed(sums, LedgerAccount.CASH)
        case e.Boarded():
            return _owed(sums, LedgerAccount.SUSPENSE)
        case e.Paid(kind=kind, amount=amount):
            source = Posting(payment_source(kind), amount)
            recovered = Posting(LedgerAccount.RECOVERY_INCOME, -allocation.recovered)
            settled = _settled(sums, charged_off=charged_off)
            return [source, *settled, recovered, _credit(-credit)]
        case e.ChargedBack() | e.CreditRefunded():
            back = _back(sums, charged_off=charged_off)
            return [*back, _credit(-credit), Posting(LedgerAccount.CASH, credit - sums.total)]
        case e.Capitalised():
            return [Posting(LedgerAccount.LOANS_RECEIVABLE, sums.total), *_gone(sums)]
        case _:
            return _lost(act, sums, charged_off=charged_off)


def _lost(act: Act, sums: Sums, *, charged_off: bool) -> list[Posting]:
    match act:
        case e.ChargedOff():
            return [*_against_income(sums, LedgerAccount.CHARGE_OFF_EXPENSE), *_gone(sums)]
        case e.Ended(how=how) if not charged_off:
            return [*_against_income(sums, _LOSS[how]), *_gone(sums)]
        case e.Forgiven() if not charged_off:
            return [*_against_income(sums, LedgerAccount.FORGIVENESS_EXPENSE), *_gone(sums)]
        case e.ChargeWaived() | e.InterestWaived() if not charged_off:
            return [*_against_income(sums, LedgerAccount.FORGIVENESS_EXPENSE), *_gone(sums)]
        case _:
            return []


def _owed(sums: Sums, source: LedgerAccount) -> list[Posting]:
    return [
        *(Posting(account, sums.of(component)) for component, account in _RECEIVABLE.items()),
        Posting(source, -sums.total),
    ]


def _gone(sums: Sums) -> list[Posting]:
    return [Posting(account, -sums.of(component)) for component, account in _RECEIVABLE.items()]


def _settled(sums: Sums, *, charged_off: bool) -> list[Posting]:
    return [Posting(LedgerAccount.RECOVERY_INCOME, -sums.total)] if charged_off else _gone(sums)


def _back(sums: Sums, *, charged_off: bool) -> list[Posting]:
    return [Posting(line.account, -line.amount) for line in _settled(sums, charged_off=charged_off)]


def _credit(amount: Decimal) -> Posting:
    return Posting(LedgerAccount.CREDIT_BALANCES, amount)


def _against_income(sums: Sums, loss: LedgerAccount) -> list[Posting]:
    """Lost principal is an expense; lost interest and charges take income back."""
    income = [Posting(account, sums.of(component)) for component, account in _INCOME.items()]
    return [Posting(loss, sums.principal), *income]


def accrued(component: Component, amount: Decimal) -> tuple[Posting, ...]:
    """The postings of interest or a charge that was earned."""
    receivable, income = _RECEIVABLE[component], _INCOME[component]
    return (Posting(receivable, amount), Posting(income, -amount)) if amount != ZERO else ()
