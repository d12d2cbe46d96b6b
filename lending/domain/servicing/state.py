"""What is true of a loan: its terms, the entries of its account, and where the journal stands."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from unicodedata import normalize

from lending.domain.loan.book import LoanStatus
from lending.domain.loan.entries import Boarded, Disbursed, Entry, Reversed
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.position import Position
from lending.domain.loan.terms import Terms
from lending.domain.servicing.events import ProductCited

MAX_ENTRIES = 3000
"""Transactions that one loan may have in its life: every one is computed from all."""

ENDED = frozenset(
    {
        LoanStatus.WRITTEN_OFF,
        LoanStatus.SETTLED,
        LoanStatus.REFINANCED,
        LoanStatus.TRANSFERRED,
    }
)
"""The statuses of a loan that was given up or handed over."""


class Moved(StrEnum):
    """Money that moved, by what may share a reference: a bank takes a payment back under its own."""

    ADVANCE = "advance"
    PAYMENT = "payment"
    CHARGE_BACK = "charge_back"
    REFUND = "refund"


class Named(NamedTuple):
    """What a reference names, and the reference."""

    moved: Moved
    reference: str


def reference_of(given: str | None) -> str | None:
    """A reference of moved money as it is recorded and compared; none of one that is blank.

    In Unicode's normal form C (UAX 15), without space around it, every space inside it one blank.
    Upper and lower case differ.
    """
    return " ".join(normalize("NFC", given or "").split()) or None


class Loan(NamedTuple):
    """A loan that was paid out or taken over. Without `terms` nothing of it can be computed yet.

    `entries` are all transactions, by the version of their event. `through` is the day to which the
    loan was computed last, `accounts` the sum of all postings. `advanced` is all principal that was
    paid out, `product` the version whose terms a loan has that was taken over, or got them later,
    `reversed_on` the entries that never counted with the days on which they were reversed,
    `charge_off` the one that took the loan to loss. `references` are those of money that moved and
    counts, by version; `late_fees` the entries that are late fees, with the due
    dates they are for.
    """

    terms: Terms | None
    entries: tuple[Entry, ...]
    through: date
    status: LoanStatus = LoanStatus.ACTIVE
    balance: Decimal = Decimal(0)
    accounts: Position = MappingProxyType({})
    advanced: Decimal = Decimal(0)
    product: ProductCited | None = None
    reversed_on: Mapping[int, date] = MappingProxyType({})
    charge_off: int | None = None
    references: Mapping[int, Named] = MappingProxyType({})
    late_fees: Mapping[int, date] = MappingProxyType({})
    closed: bool = False

    @property
    def known_terms(self) -> Terms:
        """The terms of a loan that is known to have them."""
        if self.terms is None:
            raise ValueError("a loan without terms cannot be computed")
        return self.terms

    @property
    def ended(self) -> bool:
        """Whether it was given up or handed over."""
        return self.status in ENDED

    @property
    def reversed(self) -> Collection[int]:
        """The entries that never counted."""
        return self.reversed_on.keys()

    @property
    def funded_on(self) -> date:
        """The day of the first entry that counts."""
        return min(entry.on for entry in self.counting)

    @property
    def counting(self) -> list[Entry]:
        """The entries that were not reversed, in the order of recording."""
        gone = self.reversed
        return [
            entry
            for entry in self.entries
            if entry.number not in gone and not isinstance(entry.act, Reversed)
        ]

    @property
    def funded(self) -> bool:
        """Whether anything counts that was paid out or taken over."""
        return any(isinstance(entry.act, Disbursed | Boarded) for entry in self.counting)

    @property
    def credit(self) -> Decimal:
        """What the borrower has paid too much."""
        return -self.accounts.get(LedgerAccount.CREDIT_BALANCES, Decimal(0))

    @property
    def off_the_books(self) -> bool:
        """Whether it was taken to loss or has ended, so that what is paid is recovered."""
        return self.ended or self.charge_off is not None

    def named(self, moved: Moved, given: str | None) -> int | None:
        """The version of what moved under this reference, if anything that counts did."""
        reference = reference_of(given)
        found = (of for of, one in self.references.items() if one == (moved, reference))
        return next(found, None)

    def entry(self, number: int) -> Entry | None:
        """The entry of this number, if there is one."""
        return next((entry for entry in self.entries if entry.number == number), None)
