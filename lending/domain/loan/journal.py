"""The chart of accounts, and what is posted to one. What a loan comes to on them is in `position`.

WARNING: the accounts' names and the fields of a posting are part of the storage format.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lending.domain.loan.terms import PaymentKind


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

_SOURCE: Final = {
    PaymentKind.GOODWILL_CREDIT: LedgerAccount.GOODWILL_EXPENSE,
    PaymentKind.CHARGE_ADJUSTMENT: LedgerAccount.FEE_INCOME,
}


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount on an account: a debit above zero, a credit below."""

    account: LedgerAccount
    amount: Decimal


def payment_source(kind: PaymentKind) -> LedgerAccount:
    """The account that a payment of this kind is debited to."""
    return _SOURCE.get(kind, LedgerAccount.CASH)
