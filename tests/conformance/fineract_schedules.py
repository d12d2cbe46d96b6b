"""Apache Fineract's progressive schedules: stages of advances, payments and rate changes."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from lending.domain.calendar import PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan import entries as e
from lending.domain.loan.book import LoanBook
from lending.domain.loan.engine import quote, replay
from lending.domain.loan.entries import Act, Entry
from lending.domain.loan.terms import (
    Component,
    InterestBasis,
    LastInstalment,
    PeriodInterest,
    RateChangeDay,
    Terms,
)
from tests.conformance.loan_outcomes import Case, same

_DAY_COUNT: Final = {
    "360": DayCount.ACTUAL_360,
    "364": DayCount.ACTUAL_364,
    "365": DayCount.ACTUAL_365F,
    "ACTUAL": DayCount.ACTUAL_ACTUAL_31_DECEMBER,
}
_COMPONENT: Final = {"pay_principal": Component.PRINCIPAL, "pay_interest": Component.INTEREST}


def check(case: Case) -> None:
    """Compare every stage that no later rule superseded. Raises Differs."""
    run = _Run(case)
    for number, stage in enumerate(case["stages"], 1):
        for op in stage["ops"]:
            run.do(op)
        if "superseded_by" not in stage:
            for row in stage.get("expected_rows", ()):
                run.compare(f"stage {number}, row {row['n']}", row)


def terms_of(case: Case) -> Terms:
    """The terms that a case states: interest on the scheduled balance less what was prepaid."""
    equal = case["days_in_month"] == "30"
    return Terms(
        currency="USD",
        rate_percent=Decimal(case["rate_percent"]),
        instalments=len(case["periods"]),
        every=case["every"],
        period=PeriodUnit(case["frequency"].lower()),
        day_count=_DAY_COUNT[case["days_in_year"]],
        period_interest=PeriodInterest.EQUAL_PERIODS if equal else PeriodInterest.DAYS,
        interest_basis=InterestBasis.PREPAID,
        last_instalment=LastInstalment.SPREAD,
        rate_change_day=RateChangeDay.DAY_BEFORE,
    )


class _Run:
    """A case under way: its entries so far."""

    def __init__(self, case: Case) -> None:
        self._terms = terms_of(case)
        periods = case["periods"]
        self._start = date.fromisoformat(periods[0]["from"])
        self._dues = tuple(date.fromisoformat(period["due"]) for period in periods)
        self._entries: list[Entry] = []

    def do(self, op: dict[str, Any]) -> None:
        """Enter an operation, or compare a quote."""
        on = date.fromisoformat(op["date"])
        match op["op"]:
            case "disburse":
                amount = Decimal(op["amount"]).quantize(Decimal("0.01"))
                self._enter(on, e.Disbursed(amount=amount, dues=self._dues, start=self._start))
            case "change_rate":
                self._enter(on, e.RateChanged(rate_percent=Decimal(op["rate_percent"])))
            case "pay_principal" | "pay_interest":
                self._enter(on, _paid(op))
            case "quote_payable":
                self._quote(on, op)
            case "balance_correction":
                same("amount corrected", "0", op["amount"])
            case other:
                raise ValueError(other)

    def _enter(self, on: date, act: Act) -> None:
        self._entries.append(Entry(len(self._entries) + 1, on, act))

    def _quote(self, on: date, op: dict[str, Any]) -> None:
        due, expect = date.fromisoformat(op["installment_due"]), op["expect"]
        where = f"payable on {on} of the instalment due {due}"
        ours = quote(self._terms, self._entries, on, due)
        same(f"{where}, principal", Decimal(expect["principal"]), ours.principal)
        same(f"{where}, interest", Decimal(expect["interest"]), ours.interest)
        before = self._dues.index(due) - 1
        left = self._balances(self._projected())[before] if before >= 0 else self._lent(on)
        same(f"{where}, balance", Decimal(expect["outstanding_balance"]), left)

    def _lent(self, on: date) -> Decimal:
        acts = [entry.act for entry in self._entries if entry.on <= on]
        return sum((act.amount for act in acts if isinstance(act, e.Disbursed)), Decimal(0))

    def _projected(self) -> LoanBook:
        """As of the last entry: nothing is late, whatever is to come is paid when due."""
        return replay(self._terms, self._entries, max(entry.on for entry in self._entries))

    def _balances(self, book: LoanBook) -> list[Decimal]:
        """What bears interest after each row: principal less that paid to later rows by then."""
        return [one.balance - sum(self._prepaid(one.due), Decimal(0)) for one in book.instalments]

    def _prepaid(self, by: date) -> Iterator[Decimal]:
        for entry in self._entries:
            if isinstance(entry.act, e.Paid) and entry.on <= by:
                for part in entry.act.directed:
                    if part.component is Component.PRINCIPAL and part.due_on > by:
                        yield part.amount

    def compare(self, where: str, row: Case) -> None:
        """Compare one row."""
        book = self._projected()
        one = book.instalments[row["n"] - 1]
        ours = {
            "due": one.due.isoformat(),
            "interest": one.owed.interest,
            "principal": one.owed.principal,
            "emi": one.owed.total,
            "balance_after": self._balances(book)[row["n"] - 1],
        }
        for name, value in ours.items():
            theirs = row[name] if name == "due" else Decimal(row[name])
            same(f"{where}, {name}", theirs, value)


def _paid(op: dict[str, Any]) -> e.Paid:
    amount = Decimal(op["amount"]).quantize(Decimal("0.01"))
    part = e.Directed(
        due_on=date.fromisoformat(op["installment_due"]),
        component=_COMPONENT[op["op"]],
        amount=amount,
    )
    return e.Paid(amount=amount, directed=(part,))
