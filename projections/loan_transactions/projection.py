"""How a transaction's row follows from its event, and from later ones that changed what it came to.

A back-dated transaction, or a reversal, lets others come to something else; its event says which and
by how much, so that a row is right as booked and right as it stands now.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from lending.domain import money
from lending.domain.application.events import Disbursed
from lending.domain.application.state import Application
from lending.domain.loan.engine import replay
from lending.domain.servicing import events as e
from lending.domain.servicing.evolve import REVERSALS
from lending.runtime.sql import load_queries
from projections.loan_events import PASSED_OVER, TRANSACTIONS, booking_of
from projections.model import Happened, Key, Loan, ReadModel, Row, Rows

COMPONENTS: Final = ("principal", "interest", "fees", "penalties", "credit", "recovered")
"""What a transaction comes to, now and, after `first_`, as first booked."""

PAYMENTS: Final = frozenset({e.Repaid.stored_as, e.Recovered.stored_as})
"""The transactions by which money came in: all of it went to one of the components."""

LOSSES: Final = frozenset(
    kind.stored_as for kind in (e.ChargedOff, e.WrittenOff, e.Settled, e.Transferred)
)
"""The transactions from which on what is paid is recovered."""

_REALLOCATED: Final = ("principal", "interest", "fees", "penalties", "credit")


def apply(rows: Rows, happened: Happened, loan: Loan) -> Rows:
    """The transaction's own row, and those of others that came to something else by it."""
    if happened.event_type not in TRANSACTIONS:
        return {}
    event, state = happened.event, loan()
    changed: dict[Key, Row] = {(happened.version,): _booked(rows, happened, state)}
    if isinstance(event, REVERSALS):
        gone = dict.fromkeys(COMPONENTS, _zero(state))
        _change(changed, rows, happened, event.of, {**gone, "reversed_by": happened.version})
    booking = booking_of(event)
    if booking is not None:
        for one in booking.reallocated:
            row = rows[(one.version,)]
            _change(changed, rows, happened, one.version, _with_more(row, one))
        if booking.left_out or _moves_recoveries(rows, event, state):
            _compute_again(changed, rows, happened, state)
    return changed


def _moves_recoveries(rows: Rows, event: Any, state: Application) -> bool:
    """Whether others may be recoveries now, or no longer: an event of earlier days does not say that of
    each.
    """
    if isinstance(event, REVERSALS) and rows[(event.of,)]["event_type"] in LOSSES:
        return True
    off = state.loan is not None and state.loan.off_the_books
    return off and bool(event.booking.reallocated)


def looks_back(happened: Happened) -> bool:
    """Whether an event changes what others came to."""
    booking = booking_of(happened.event)
    changes = booking is not None and bool(booking.reallocated or booking.left_out)
    return changes or isinstance(happened.event, REVERSALS)


def _change(
    changed: dict[Key, Row], rows: Rows, happened: Happened, version: int, columns: Row
) -> None:
    row = changed.get((version,)) or rows[(version,)]
    changed[(version,)] = {**row, **columns, "position": happened.position}


def _with_more(row: Row, more: e.Reallocated) -> Row:
    columns = {name: row[name] + getattr(more, name) for name in _REALLOCATED}
    if more.recovered is not None:
        columns["recovered"] = row["recovered"] + more.recovered
    elif row["event_type"] in PAYMENTS:
        columns["recovered"] = (row["amount"] - columns["credit"]) * bool(row["recovered"])
    return columns


def _compute_again(
    changed: dict[Key, Row], rows: Rows, happened: Happened, state: Application
) -> None:
    """The changes that did not fit into the event, from the loan itself."""
    if state.loan is None:
        return
    loan = state.loan
    book = replay(loan.known_terms, loan.entries, loan.through)
    for version, done in book.allocations.items():
        row = changed.get((version,)) or rows[(version,)]
        now = (*done.sums, done.credit, done.recovered)
        columns = dict(zip(COMPONENTS, now, strict=True))
        if any(row[name] != amount for name, amount in columns.items()):
            columns = {
                name: money.in_currency(amount, state.currency) for name, amount in columns.items()
            }
            _change(changed, rows, happened, version, columns)


def _booked(rows: Rows, happened: Happened, state: Application) -> Row:
    """The row of a transaction as it is first booked."""
    event: Any = happened.event
    came_to = _came_to(event, state)
    of = getattr(event, "of", None) or getattr(event, "charge", None)
    amount_of = _AMOUNTS.get(type(event))
    amount = None if amount_of is None else amount_of(event)
    return {
        "shard": happened.shard,
        "application_id": happened.application_id,
        "version": happened.version,
        "effective_on": happened.effective_on,
        "recorded_at": happened.recorded_at,
        "event_type": happened.event_type,
        "kind": _kind(event),
        "reason": event.reason.value if hasattr(event, "reason") else None,
        "channel": getattr(event, "channel", None),
        "reference": getattr(event, "reference", None),
        "amount": rows[(of,)]["amount"] if isinstance(event, REVERSALS) else amount,
        "currency": state.currency,
        **came_to,
        **{f"first_{name}": amount for name, amount in came_to.items()},
        "balance": _balance(event, state),
        "of_version": of,
        "reversed_by": None,
        "actor": happened.on_behalf_of or happened.actor,
        "position": happened.position,
    }


def _came_to(event: Any, state: Application) -> Row:
    booking = booking_of(event)
    if booking is not None:
        return {name: getattr(booking, name) for name in COMPONENTS}
    nothing = dict.fromkeys(COMPONENTS, _zero(state))
    return {**nothing, "principal": event.amount} if isinstance(event, Disbursed) else nothing


def _balance(event: Any, state: Application) -> Decimal:
    booking = booking_of(event)
    if booking is not None:
        return booking.balance
    return _zero(state) if state.loan is None else state.loan.balance


def _zero(state: Application) -> Decimal:
    return money.in_currency(Decimal(0), state.currency)


def _kind(event: Any) -> str | None:
    kind = event.change if isinstance(event, e.TermsChanged) else getattr(event, "kind", None)
    return None if kind is None else str(kind)


_AMOUNTS: Final[Mapping[type[Any], Callable[[Any], Decimal | None]]] = MappingProxyType(
    {
        Disbursed: lambda event: event.amount,
        e.Boarded: lambda event: event.booking.principal,
        e.Repaid: lambda event: event.amount,
        e.Recovered: lambda event: event.amount,
        e.ChargedBack: lambda event: event.amount,
        e.CreditRefunded: lambda event: event.amount,
        e.ChargeAssessed: lambda event: event.amount,
        e.ChargeWaived: lambda event: event.amount,
        e.InterestWaived: lambda event: event.amount,
        e.TermsChanged: lambda event: event.amount,
        e.Refinanced: lambda event: event.amount,
        e.Transferred: lambda event: event.price,
    }
)
"""The amount that a transaction is about. The others have none of their own."""

MODEL: Final = ReadModel(
    name="loan_transactions",
    code_version=3,
    columns=(
        *("shard", "application_id", "version"),
        *("effective_on", "recorded_at", "event_type", "kind", "reason", "channel", "reference"),
        *("amount", "currency", *COMPONENTS, *(f"first_{name}" for name in COMPONENTS)),
        *("balance", "of_version", "reversed_by", "actor", "position"),
    ),
    key_columns=3,
    folds=TRANSACTIONS,
    opens=frozenset(),
    apply=apply,
    looks_back=looks_back,
    passes_over=PASSED_OVER,
    queries=load_queries(files("projections.loan_transactions") / "statements.sql"),
)
"""The read model."""
