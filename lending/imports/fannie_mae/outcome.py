"""The ledger beside the file: which months it reproduces, which it agrees with, how loans ended. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from lending.imports.fannie_mae.files import first_of
from lending.imports.fannie_mae.plan import REPRODUCED, EndKind, MonthKind, Step
from lending.imports.fannie_mae.requests import Planned, Told, key_of

STATUSES: Final[Mapping[EndKind, str]] = MappingProxyType(
    {
        EndKind.PAID_OFF: "paid_off",
        EndKind.SHORT_SALE: "settled",
        EndKind.REPURCHASED: "transferred",
        EndKind.FORECLOSED: "written_off",
    }
)
"""Where a loan stands in the ledger once its end is booked; a short sale for nothing is written off."""


@dataclass(slots=True)
class Outcome:
    """Months with both balances by kind, those in which the ledger has the file's balance, and ends.

    `ends` counts by the file's code and the ledger's status. `differences` name what is not so.
    """

    months: Counter[MonthKind] = field(default_factory=Counter)
    agreeing: Counter[MonthKind] = field(default_factory=Counter)
    changes: int = 0
    ends: Counter[tuple[EndKind | None, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def reproduced(self) -> int:
        """Months whose balance in the ledger is the file's by level payments alone."""
        return sum(self.agreeing[kind] for kind in REPRODUCED)


def outcome(loans: Sequence[Planned], told: Told) -> Outcome:
    """What the ledger made of the loans."""
    found = Outcome()
    for loan in loans:
        _look(loan, told, found)
    return found


def _look(loan: Planned, told: Told, found: Outcome) -> None:
    balance, status = Decimal(-1), "not in the ledger"
    for step in loan.steps:
        for key in _keys(loan, step, 0, len(step.acts)):
            balance = told.balances.get(key, balance)
            status = told.statuses.get(key, status)
        agrees = balance == step.balance
        if step.compared:
            found.months[step.kind] += 1
            found.agreeing[step.kind] += agrees
        found.changes += step.changed
        if not agrees:
            found.differences.append(
                f"mortgage {loan.mortgage.name}, {first_of(step.month):%Y-%m} ({step.kind}):"
                f" {step.balance} in the file, {balance} in the ledger"
            )
        for key in _keys(loan, step, len(step.acts), len(step.ending)):
            status = told.statuses.get(key, status)
    ended = loan.steps[-1].ended
    found.ends[ended, status] += 1
    if status != (STATUSES[ended] if ended else "active"):
        found.differences.append(f"mortgage {loan.mortgage.name} ended {ended}, but is {status}")


def _keys(loan: Planned, step: Step, start: int, count: int) -> Iterator[str]:
    for number in range(start + 1, start + count + 1):
        yield key_of(loan.mortgage, step, number)
