"""How the rows of a loan's instalments follow from its book: all of them, after each transaction.

The book is computed from the loan's whole account, which is dear; so it is done once for the
transactions that a batch has of a loan.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from lending.domain.loan.book import Charge, Instalment, Sums
from lending.domain.loan.engine import replay
from lending.runtime.sql import load_queries
from projections.loan_events import PASSED_OVER, TRANSACTIONS
from projections.model import Happened, Loan, ReadModel, Row, Rows

_COMPONENTS: Final = ("principal", "interest", "fees", "penalties")
_PARTS: Final = ("owed", "paid", "waived", "written_off")


def apply(_rows: Rows, _happened: Happened, _loan: Loan) -> Rows:
    """Nothing follows from an event alone."""
    return {}


def settle(_rows: Rows, happened: Happened, loan: Loan) -> Rows:
    """The instalments of the loan as it stands, none of one without terms."""
    state = loan()
    if state.loan is None or state.loan.terms is None:
        return {}
    book = replay(state.loan.terms, state.loan.entries, state.loan.through)
    return {
        (one.number,): _row(one, charges, happened, state.currency)
        for one, charges in book.with_charges()
    }


def never(_happened: Happened) -> bool:
    """Rows do not depend on earlier ones."""
    return False


def _row(one: Instalment, charges: Sequence[Charge], happened: Happened, currency: str) -> Row:
    unpaid = [charge for charge in charges if charge.outstanding]
    return {
        "shard": happened.shard,
        "application_id": happened.application_id,
        "number": one.number,
        "kind": one.kind.value,
        "start_on": one.start,
        "due_on": one.due,
        "currency": currency,
        **_named("owed", one.owed),
        **_named("paid", one.paid),
        **_named("waived", one.waived),
        **_named("written_off", one.written_off),
        "outstanding": one.outstanding,
        "balance": one.balance,
        "paid_in_advance": one.paid_in_advance,
        "paid_late": one.paid_late,
        "met_on": one.met_on,
        "position": happened.position,
        "charges_due_on": [charge.due_on for charge in unpaid],
        "charges_unpaid": [charge.outstanding for charge in unpaid],
    }


def _named(part: str, sums: Sums) -> Row:
    return {f"{name}_{part}": amount for name, amount in zip(_COMPONENTS, sums, strict=True)}


MODEL: Final = ReadModel(
    name="instalments",
    code_version=2,
    columns=(
        *("shard", "application_id", "number", "kind", "start_on", "due_on", "currency"),
        *(f"{name}_{part}" for part in _PARTS for name in _COMPONENTS),
        *("outstanding", "balance", "paid_in_advance", "paid_late", "met_on", "position"),
        *("charges_due_on", "charges_unpaid"),
    ),
    key_columns=3,
    folds=TRANSACTIONS,
    opens=frozenset(),
    apply=apply,
    settle=settle,
    whole=True,
    looks_back=never,
    passes_over=PASSED_OVER,
    queries=load_queries(files("projections.instalments") / "statements.sql"),
)
"""The read model."""
