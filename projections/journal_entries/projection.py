"""How postings follow from the events: each event holds its own, and they never change."""

from importlib.resources import files
from typing import Final

from lending.domain.loan.journal import CHART
from lending.runtime.sql import load_queries
from projections.loan_events import PASSED_OVER, TRANSACTIONS, booking_of
from projections.model import Happened, Loan, ReadModel, Rows


def apply(_rows: Rows, happened: Happened, loan: Loan) -> Rows:
    """The postings of an event."""
    booking = booking_of(happened.event)
    if booking is None or not booking.postings:
        return {}
    shared = {
        "shard": happened.shard,
        "application_id": happened.application_id,
        "version": happened.version,
        "currency": loan().currency,
        "event_type": happened.event_type,
        "effective_on": happened.effective_on,
        "recorded_at": happened.recorded_at,
        "position": happened.position,
    }
    return {
        (happened.version, line): {
            **shared,
            "line": line,
            "account": one.account.value,
            "account_class": CHART[one.account].value,
            "amount": one.amount,
        }
        for line, one in enumerate(booking.postings, 1)
    }


def never(_happened: Happened) -> bool:
    """No event is posted by what was posted before."""
    return False


MODEL: Final = ReadModel(
    name="journal_entries",
    code_version=1,
    columns=(
        *("shard", "application_id", "version", "line"),
        *("account", "account_class", "amount", "currency", "event_type"),
        *("effective_on", "recorded_at", "position"),
    ),
    key_columns=4,
    folds=TRANSACTIONS,
    opens=frozenset(),
    apply=apply,
    looks_back=never,
    passes_over=PASSED_OVER,
    queries=load_queries(files("projections.journal_entries") / "statements.sql"),
)
"""The read model."""
