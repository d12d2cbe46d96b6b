"""Every entry's postings: which accounts, and that both sides are equal."""

from datetime import date
from decimal import Decimal

from lending.domain.loan import entries as e
from lending.domain.loan.engine import payoff, replay
from lending.domain.loan.entries import Entry
from lending.domain.loan.journal import LedgerAccount, Posting, postings
from lending.domain.loan.terms import PaymentKind, Terms

TERMS = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
BOARDED = e.Boarded(
    principal=Decimal("900.00"),
    paid_through=date(2024, 5, 1),
    accrued_interest=Decimal("3.10"),
    overdue=(
        e.Arrears(due_on=date(2024, 4, 1), principal=Decimal("40.00"), penalties=Decimal("15.00")),
        e.Arrears(
            due_on=date(2024, 5, 1),
            principal=Decimal("80.00"),
            interest=Decimal("9.00"),
            fees=Decimal("2.50"),
        ),
    ),
)


def posted(entries: list[Entry], on: date) -> dict[LedgerAccount, Decimal]:
    """The balance of each account that the entries touched."""
    book = replay(TERMS, entries, on)
    balances: dict[LedgerAccount, Decimal] = {}
    for entry in entries:
        lines = postings(entry.act, book.allocations[entry.number], charged_off=False)
        assert sum(line.amount for line in lines) == 0
        for line in lines:
            balances[line.account] = balances.get(line.account, Decimal(0)) + line.amount
    return balances


def test_what_a_boarded_loan_owes_is_receivable_against_suspense() -> None:
    on = date(2024, 5, 1)
    book = replay(TERMS, [Entry(1, on, BOARDED)], on)
    assert postings(BOARDED, book.allocations[1], charged_off=False) == (
        Posting(LedgerAccount.LOANS_RECEIVABLE, Decimal("1020.00")),
        Posting(LedgerAccount.INTEREST_RECEIVABLE, Decimal("12.10")),
        Posting(LedgerAccount.FEES_RECEIVABLE, Decimal("2.50")),
        Posting(LedgerAccount.PENALTIES_RECEIVABLE, Decimal("15.00")),
        Posting(LedgerAccount.SUSPENSE, Decimal("-1049.60")),
    )
    assert (book.principal, book.accrued_interest) == (Decimal("1020.00"), Decimal("3.10"))


def test_paying_a_boarded_loan_off_at_once_clears_its_receivables() -> None:
    on = date(2024, 5, 1)
    boarded = [Entry(1, on, BOARDED)]
    quoted = payoff(TERMS, boarded, on)
    assert quoted.total == Decimal("1049.60")
    paid = Entry(2, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    left = {account: amount for account, amount in posted([*boarded, paid], on).items() if amount}
    assert left == {
        LedgerAccount.CASH: Decimal("1049.60"),
        LedgerAccount.SUSPENSE: Decimal("-1049.60"),
    }
