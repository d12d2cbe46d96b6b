"""How the row of a loan follows from its events and its book.

The book is computed from the loan's whole account, which is dear; so it is done once for the events
that a batch has of a loan.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final

from lending.domain import money
from lending.domain.application.events import Disbursed
from lending.domain.application.state import Application
from lending.domain.loan import entries as act
from lending.domain.loan.book import LoanBook, LoanStatus, Sums
from lending.domain.loan.delinquency import buckets, delinquency
from lending.domain.loan.engine import replay
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.lines import LineKind
from lending.domain.loan.terms import CreditBalance, Terms
from lending.domain.servicing.events import Boarded, ProductCited, TermsSet
from lending.domain.servicing.paying import lent
from lending.domain.servicing.state import Loan as LoanState
from lending.runtime.sql import load_queries
from projections.loan_events import LOAN_EVENTS, PASSED_OVER
from projections.model import Happened, Key, Loan, ReadModel, Row, Rows

THE_ROW: Final[Key] = ()
"""An application has one row, once it was paid out or taken over."""

REVERSED: Final = "reversed"
"""The status of a loan of which no disbursement counts any more."""

_PAID: Final = ("principal_paid", "interest_paid", "fees_paid", "penalties_paid")


def apply(rows: Rows, happened: Happened, loan: Loan) -> Rows:
    """The loan's row with what only its events say; the rest comes with `settle`."""
    if happened.event_type not in LOAN_EVENTS:
        return {}
    row = rows.get(THE_ROW, _BLANK)
    product = _product(happened.event, loan)
    named = {"product": product.name, "product_version": product.version} if product else {}
    return {
        THE_ROW: {
            **row,
            **named,
            "shard": happened.shard,
            "application_id": happened.application_id,
            "updated_at": happened.recorded_at,
            "version": happened.version,
            "position": happened.position,
        }
    }


def settle(rows: Rows, _happened: Happened, loan: Loan) -> Rows:
    """The row with where the loan stands."""
    return {THE_ROW: {**rows[THE_ROW], **standing(loan())}}


def _product(event: Any, loan: Loan) -> ProductCited | None:
    match event:
        case Boarded() | TermsSet():
            return event.product
        case Disbursed(offer_id=offer_id):
            return loan().offers[offer_id].product
        case _:
            return None


def standing(state: Application) -> Row:
    """The columns that say where the loan of an application stands."""
    loan, currency = state.loan, state.currency
    columns: Row = {**_NO_TERMS, **_NO_BOOK, "currency": currency}
    columns |= dict.fromkeys(_AMOUNTS, money.in_currency(Decimal(0), currency))
    if loan is None:
        return {**columns, **_NO_LOAN, "status": REVERSED}
    columns |= {
        "status": loan.status.value,
        "closed": loan.closed,
        "has_terms": loan.terms is not None,
        "funded_on": loan.funded_on,
        "principal": lent(loan),
        "balance": loan.balance,
        "computed_through": None,
    }
    if loan.terms is not None:
        book = replay(loan.terms, loan.entries, loan.through)
        columns |= _of_terms(loan.terms, loan)
        columns |= _of_book(loan.terms, loan, book, currency)
    return columns


def _of_terms(terms: Terms, loan: LoanState) -> Row:
    return {
        "rate_percent": _rate(terms, loan),
        "instalments": terms.instalments,
        "every": terms.every,
        "period": terms.period.value,
        "amortization": terms.amortization.value,
        "interest_basis": terms.interest_basis.value,
        "delinquency_grace_days": terms.delinquency_grace_days,
        "bucket_names": [one.name for one in buckets(terms)],
        "bucket_from_days": [one.from_days for one in buckets(terms)],
        "bucket_to_days": [one.to_days for one in buckets(terms)],
    }


def _rate(terms: Terms, loan: LoanState) -> Decimal:
    """The nominal rate as it was changed last, else as the terms begin."""
    changes = [
        (entry.on, entry.number, entry.act.rate_percent)
        for entry in loan.counting
        if isinstance(entry.act, act.RateChanged) and entry.on <= loan.through
    ]
    return max(changes)[2] if changes else terms.rate_percent


def _of_book(terms: Terms, loan: LoanState, book: LoanBook, currency: str) -> Row:
    late = delinquency(terms, book)
    ahead = [(due, left.total) for due, left in book.unpaid() if due >= book.on]
    next_due_on = min((due for due, _ in ahead), default=None)
    due = sum((left for day, left in ahead if day == next_due_on), Decimal(0))
    accounts = {
        "credit": loan.credit,
        "interest_receivable": _of_account(loan, LedgerAccount.INTEREST_RECEIVABLE),
        "fees_receivable": _of_account(loan, LedgerAccount.FEES_RECEIVABLE),
        "penalties_receivable": _of_account(loan, LedgerAccount.PENALTIES_RECEIVABLE),
        "next_due_amount": due,
        "arrears": late.amount,
        **_payments(loan, book),
    }
    instalments = [one.due for one in book.instalments if one.kind is LineKind.INSTALMENT]
    return {
        **{name: money.in_currency(amount, currency) for name, amount in accounts.items()},
        "maturity_on": max(instalments, default=None),
        "next_due_on": next_due_on,
        "oldest_unpaid_due_on": late.since,
        "charged_off_on": book.charged_off_on,
        "ended_on": _ended_on(loan),
        "payments": len(_paid(loan)),
        "last_payment_on": max((entry.on for entry in _paid(loan)), default=None),
        "pauses_from": [start for start, _ in book.delinquency_pauses],
        "pauses_until": [until for _, until in book.delinquency_pauses],
        "computed_through": loan.through,
        **_told(terms, loan),
    }


def _told(terms: Terms, loan: LoanState) -> Row:
    """The days of which arrears follow from the instalments as they stand: those behind the last
    transaction, and none that has not been computed where a credit balance pays what falls due.
    """
    if terms.credit_balance is CreditBalance.APPLIED:
        until = loan.through if loan.credit else None
        return {"arrears_from": loan.through, "arrears_until": until}
    return {"arrears_from": max(entry.on for entry in loan.counting), "arrears_until": None}


def _of_account(loan: LoanState, account: LedgerAccount) -> Decimal:
    return loan.accounts.get(account, Decimal(0))


def _paid(loan: LoanState) -> list[act.Entry]:
    return [entry for entry in loan.counting if isinstance(entry.act, act.Paid)]


def _payments(loan: LoanState, book: LoanBook) -> Row:
    """What was paid in all, less what was charged back."""
    back = [entry for entry in loan.counting if isinstance(entry.act, act.ChargedBack)]
    paid, taken_back = _sums(book, _paid(loan)), _sums(book, back)
    parts = [more - less for more, less in zip(paid, taken_back, strict=True)]
    recovered = (one.recovered for one in book.allocations.values())
    return {
        "paid": _amounts(_paid(loan)) - _amounts(back),
        **dict(zip(_PAID, parts, strict=True)),
        "recovered": sum(recovered, Decimal(0)),
    }


def _sums(book: LoanBook, entries: Iterable[act.Entry]) -> Sums:
    sums = Sums()
    for entry in entries:
        sums = sums.add(book.allocations[entry.number].sums)
    return sums


def _amounts(entries: Iterable[act.Entry]) -> Decimal:
    amounts = (entry.act.amount for entry in entries if hasattr(entry.act, "amount"))
    return sum(amounts, Decimal(0))


def _ended_on(loan: LoanState) -> date | None:
    """The day of the transaction that ended it, or of the last one of a loan that is paid off."""
    if loan.status in (LoanStatus.ACTIVE, LoanStatus.OVERPAID):
        return None
    ends = [entry.on for entry in loan.counting if isinstance(entry.act, act.Ended)]
    return max(ends or [entry.on for entry in loan.counting])


_NO_TERMS: Final[Row] = {
    **dict.fromkeys(
        ("rate_percent", "instalments", "every", "period", "amortization", "interest_basis")
    ),
    "delinquency_grace_days": 0,
    **{name: [] for name in ("bucket_names", "bucket_from_days", "bucket_to_days")},
}
_NO_BOOK: Final[Row] = {
    **dict.fromkeys(
        (
            *("maturity_on", "next_due_on", "oldest_unpaid_due_on", "charged_off_on"),
            *("ended_on", "last_payment_on", "arrears_from", "arrears_until"),
        )
    ),
    "payments": 0,
    "pauses_from": [],
    "pauses_until": [],
}
_NO_LOAN: Final[Row] = {
    **dict.fromkeys(("funded_on", "computed_through")),
    "closed": False,
    "has_terms": False,
}
_AMOUNTS: Final = (
    *("principal", "balance", "credit", "interest_receivable", "fees_receivable"),
    *("penalties_receivable", "next_due_amount", "arrears", "paid", *_PAID, "recovered"),
)
_BLANK: Final[Row] = {"product": None, "product_version": None}
"""A row before the loan's first event; the other columns come with that."""

MODEL: Final = ReadModel(
    name="loans",
    code_version=2,
    columns=(
        *("shard", "application_id", "product", "product_version", "currency", "status", "closed"),
        *("has_terms", "rate_percent", "instalments", "every", "period", "amortization"),
        *("interest_basis", "funded_on", "maturity_on", "principal", "balance", "credit"),
        *("interest_receivable", "fees_receivable", "penalties_receivable"),
        *("next_due_on", "next_due_amount", "oldest_unpaid_due_on", "arrears"),
        *("charged_off_on", "ended_on", "payments", "last_payment_on", "paid", *_PAID),
        *("recovered", "delinquency_grace_days"),
        *("bucket_names", "bucket_from_days", "bucket_to_days", "pauses_from", "pauses_until"),
        *("computed_through", "updated_at", "version", "position"),
        *("arrears_from", "arrears_until"),
    ),
    key_columns=2,
    folds=LOAN_EVENTS,
    opens=frozenset(),
    apply=apply,
    settle=settle,
    passes_over=PASSED_OVER,
    queries=load_queries(files("projections.loans") / "statements.sql"),
)
"""The read model."""
