"""The accounts of a loan: what is on which, on and off the books."""

from datetime import date
from decimal import Decimal

from lending.domain.loan import entries as e
from lending.domain.loan.engine import fold, payoff, replay
from lending.domain.loan.entries import Entry
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.position import Position, position
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


def accounts(entries: list[Entry], on: date) -> Position:
    """The balance of each account that the entries touched."""
    return position(TERMS, entries, on, fold(TERMS, entries, on))


def test_what_a_boarded_loan_owes_is_receivable_against_suspense() -> None:
    on = date(2024, 5, 1)
    assert accounts([Entry(1, on, BOARDED)], on) == {
        LedgerAccount.LOANS_RECEIVABLE: Decimal("1020.00"),
        LedgerAccount.INTEREST_RECEIVABLE: Decimal("12.10"),
        LedgerAccount.FEES_RECEIVABLE: Decimal("2.50"),
        LedgerAccount.PENALTIES_RECEIVABLE: Decimal("15.00"),
        LedgerAccount.SUSPENSE: Decimal("-1049.60"),
    }
    book = replay(TERMS, [Entry(1, on, BOARDED)], on)
    assert (book.principal, book.accrued_interest) == (Decimal("1020.00"), Decimal("3.10"))


def test_paying_a_boarded_loan_off_at_once_clears_its_receivables() -> None:
    on = date(2024, 5, 1)
    boarded = [Entry(1, on, BOARDED)]
    quoted = payoff(TERMS, boarded, on)
    assert quoted.total == Decimal("1049.60")
    paid = Entry(2, on, e.Paid(amount=quoted.total, kind=PaymentKind.PAYOFF))
    assert accounts([*boarded, paid], on) == {
        LedgerAccount.CASH: Decimal("1049.60"),
        LedgerAccount.SUSPENSE: Decimal("-1049.60"),
    }


def test_who_takes_a_loan_over_that_is_off_the_books_gives_what_is_recovered() -> None:
    on = date(2024, 5, 1)
    entries = [
        Entry(1, on, e.Disbursed(amount=Decimal("900.00"))),
        Entry(2, on, e.ChargedOff()),
        Entry(3, on, e.Ended(how=e.Ending.REFINANCED, proceeds=Decimal("900.00"))),
    ]
    assert accounts(entries, on) == {
        LedgerAccount.CASH: Decimal("-900.00"),
        LedgerAccount.CHARGE_OFF_EXPENSE: Decimal("900.00"),
        LedgerAccount.SUSPENSE: Decimal("900.00"),
        LedgerAccount.RECOVERY_INCOME: Decimal("-900.00"),
    }
