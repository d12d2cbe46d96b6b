"""What Apache Fineract's servicing scenarios expect of a loan, compared figure by figure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from lending.domain.loan import entries as e
from lending.domain.loan.book import Instalment, LoanStatus
from lending.domain.loan.delinquency import bucket, delinquency, delinquent_days, paused_days
from lending.domain.loan.engine import fold
from lending.domain.loan.entries import Entry
from lending.domain.loan.journal import LedgerAccount, Posting
from lending.domain.loan.position import Position, difference, position
from tests.conformance.fineract_scenarios import Scenario, Transaction, money
from tests.conformance.loan_outcomes import Case, Differs, same

_STATUS: Final = {
    LoanStatus.ACTIVE: ("ACTIVE", "Active"),
    LoanStatus.OVERPAID: ("OVERPAID", "Overpaid"),
    LoanStatus.PAID_OFF: ("CLOSED_OBLIGATIONS_MET", "Closed (obligations met)"),
}
_JOURNAL: Final = {
    "DISBURSEMENT": "Disbursement",
    "REPAYMENT": "Repayment",
    "GOODWILL_CREDIT": "Goodwill Credit",
    "CHARGEBACK": "Chargeback",
    "CHARGE_OFF": "Charge-off",
}
_ACCOUNTS: Final = {
    LedgerAccount.CASH: "145023",
    LedgerAccount.LOANS_RECEIVABLE: "112601",
    LedgerAccount.INTEREST_RECEIVABLE: "112603",
    LedgerAccount.FEES_RECEIVABLE: "112603",
    LedgerAccount.PENALTIES_RECEIVABLE: "112603",
    LedgerAccount.CREDIT_BALANCES: "l1",
    LedgerAccount.GOODWILL_EXPENSE: "744003",
    LedgerAccount.RECOVERY_INCOME: "744008",
    LedgerAccount.CHARGE_OFF_EXPENSE: "744037",
    LedgerAccount.INTEREST_INCOME: "404001",
    LedgerAccount.FEE_INCOME: "404008",
    LedgerAccount.PENALTY_INCOME: "404008",
}


def check(case: Case, file: Case) -> None:
    """Do the steps of a scenario and compare what it expects. Raises Differs, Unsupported."""
    scenario = Scenario(file)
    for number, step in enumerate(case["steps"], 1):
        if "op" in step:
            scenario.do(step)
        else:
            where = f"step {number}, {step['expect']}"
            _EXPECTATIONS[step["expect"]](scenario, where, step)


# the schedule


def _schedule(scenario: Scenario, where: str, step: Case) -> None:
    book = scenario.book()
    _advances(scenario, where, [row for row in step["rows"] if "n" not in row])
    rows = [row for row in step["rows"] if "n" in row]
    same(f"{where}, rows", len(rows), len(book.instalments))
    for row, one in zip(rows, book.instalments, strict=True):
        _compare(f"{where}, row {row['n']}", row, _columns(one))


def _advances(scenario: Scenario, where: str, rows: list[Case]) -> None:
    ours = [
        (entry.on.isoformat(), entry.act.amount)
        for entry in scenario.entries
        if isinstance(entry.act, e.Disbursed)
    ]
    same(where, [(row["due"], money(row["balance_after"])) for row in rows], ours)


def _columns(one: Instalment) -> dict[str, object]:
    return {
        "n": one.number,
        "days": (one.due - one.start).days,
        "due": one.due.isoformat(),
        "balance_after": one.balance,
        "principal": one.owed.principal,
        "interest": one.owed.interest,
        "fees": one.owed.fees,
        "penalties": one.owed.penalties,
        "due_total": one.owed.total,
        "paid": one.paid.total,
        "in_advance": one.paid_in_advance,
        "late": one.paid_late,
        "outstanding": one.outstanding,
        "paid_on": one.met_on and one.met_on.isoformat(),
    }


def _totals(scenario: Scenario, where: str, step: Case) -> None:
    book = scenario.book()
    owed = book.owed
    columns = {
        "principal": owed.principal,
        "interest": owed.interest,
        "fees": owed.fees,
        "penalties": owed.penalties,
        "due_total": owed.total,
        "paid": book.paid.total,
        "in_advance": _total(one.paid_in_advance for one in book.instalments),
        "late": _total(one.paid_late for one in book.instalments),
        "outstanding": book.outstanding,
    }
    _compare(where, step["row"], columns)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _compare(where: str, row: Case, columns: Mapping[str, object]) -> None:
    for name, theirs in row.items():
        ours = columns[name]
        same(f"{where}, {name}", money(theirs) if isinstance(ours, Decimal) else theirs, ours)


# transactions and charges


def _transactions(scenario: Scenario, where: str, step: Case) -> None:
    rows = [row for row in step["rows"] if row["type"] != "Accrual"]
    ours = sorted(scenario.transactions, key=lambda one: (one.entry.on, one.entry.number))
    same(f"{where}, names", [row["type"] for row in rows], [one.name for one in ours])
    for row, one in zip(rows, ours, strict=True):
        shown = {name: value for name, value in row.items() if name != "_remainder"}
        _compare(f"{where}, {one.name} of {one.entry.on}", shown, _did(one))


def _did(one: Transaction) -> dict[str, object]:
    seen = one.seen
    assert seen is not None
    advance = isinstance(one.entry.act, e.Disbursed)
    re_aged = isinstance(one.entry.act, e.ReAged)  # shown net of the principal it moves
    return {
        "type": one.name,
        "date": one.entry.on.isoformat(),
        "amount": getattr(one.entry.act, "amount", seen.sums.total),
        "principal": Decimal("0.00") if advance else seen.sums.principal,
        "interest": seen.sums.interest,
        "fees": seen.sums.fees,
        "penalties": seen.sums.penalties,
        "loan_balance": seen.balance - (seen.sums.principal if re_aged else 0),
        "overpayment": abs(seen.credit),
        "reverted": one.undone,
    }


def _charges(scenario: Scenario, where: str, step: Case) -> None:
    ours = Counter(
        (
            one.component == "penalty",
            one.due_on.isoformat(),
            one.amount,
            one.paid,
            one.waived,
            one.outstanding,
        )
        for one in scenario.book().charges
    )
    amounts = ("due_total", "paid", "waived", "outstanding")
    theirs = Counter(
        (_truth(row["is_penalty"]), row["due"], *(money(row[name]) for name in amounts))
        for row in step["rows"]
    )
    same(where, theirs, ours)


def _transaction_reverted(scenario: Scenario, where: str, step: Case) -> None:
    found = [
        one.undone
        for one in scenario.transactions
        if one.name == step["type"] and one.entry.on.isoformat() == step["date"]
    ]
    same(where, [True], found)


# the loan


def _status(scenario: Scenario, where: str, step: Case) -> None:
    ours = _STATUS[scenario.book().status] if scenario.transactions else ("Approved",)
    if step["value"] not in ours:
        raise Differs(where, step["value"], ours)


def _outstanding(scenario: Scenario, where: str, step: Case) -> None:
    same(where, money(step["value"]), scenario.book().outstanding)


def _overpaid(scenario: Scenario, where: str, step: Case) -> None:
    same(where, money(step["value"]), scenario.book().credit)


def _charged_off_on(scenario: Scenario, where: str, step: Case) -> None:
    same(where, date.fromisoformat(step["date"]), scenario.book().charged_off_on)


def _all_paid(scenario: Scenario, where: str, _step: Case) -> None:
    same(where, Decimal("0.00"), scenario.book().outstanding)


# the journal

Line = tuple[str, Decimal]


def _journal(scenario: Scenario, where: str, step: Case) -> None:
    """Some transaction of that kind and day has exactly these lines; accruals are left out."""
    if step["type"] == "ACCRUAL":
        return
    on, name = date.fromisoformat(step["date"]), _JOURNAL[step["type"]]
    ours = [
        _lines(scenario, one)
        for one in scenario.transactions
        if one.name == name and one.entry.on == on
    ]
    theirs = Counter(
        (row["account_code"], money(row["debit"]) if "debit" in row else -money(row["credit"]))
        for row in step["rows"]
    )
    if theirs not in ours:
        raise Differs(where, sorted(theirs), [sorted(one) for one in ours])


def _lines(scenario: Scenario, one: Transaction) -> Counter[Line]:
    """What a transaction posts, of those that count as it does, and its undoing if it was undone.

    The source enters a transaction's lines anew where another entry has changed what it comes to.
    """
    on = one.entry.on
    before = [
        entry for entry in scenario.standing() if (entry.on, entry.number) < (on, one.entry.number)
    ]
    with_it = _position(scenario, [*before, one.entry], on)
    lines = _merged(difference(_position(scenario, before, on), with_it))
    undoing = Counter({(code, -amount): count for (code, amount), count in lines.items()})
    return lines + undoing if one.undone else lines


def _position(scenario: Scenario, entries: list[Entry], on: date) -> Position:
    terms = scenario.the_terms()
    return position(terms, entries, on, fold(terms, entries, on))


def _merged(entered: Iterable[Posting]) -> Counter[Line]:
    """The source has one receivable for interest and charges, and one income for charges."""
    amounts: dict[str, Decimal] = {}
    for line in entered:
        code = _ACCOUNTS[line.account]
        amounts[code] = amounts.get(code, Decimal(0)) + line.amount
    return Counter(amounts.items())


# delinquency


def _delinquency_loan(scenario: Scenario, where: str, step: Case) -> None:
    terms, book = scenario.the_terms(), scenario.book()
    found = delinquency(terms, book)
    grace = timedelta(days=terms.delinquency_grace_days)
    columns: dict[str, object] = {
        "classification": _range(scenario.delinquency_class),
        "delinquentAmount": found.amount,
        "delinquentDate": "" if found.since is None else (found.since + grace).isoformat(),
        "delinquentDays": found.delinquent_days,
        "pastDueDays": found.past_due_days,
    }
    _compare(where, step["rows"][0], columns)


def _delinquency_installment(scenario: Scenario, where: str, step: Case) -> None:
    """An instalment is classed by its days without grace, once they exceed it."""
    theirs = Counter((row["Range"], money(row["amount"])) for row in step.get("rows", ()))
    same(where, theirs, Counter(_instalment_classes(scenario).items()))


def _instalment_classes(scenario: Scenario) -> dict[str, Decimal]:
    terms, book = scenario.the_terms(), scenario.book()
    amounts: dict[str, Decimal] = {}
    for one in book.instalments:
        if one.due < book.on and one.outstanding and delinquent_days(terms, book, one.due):
            days = (book.on - one.due).days - paused_days(book, one.due)
            name = _range(bucket(terms, days))
            amounts[name] = amounts.get(name, Decimal(0)) + one.outstanding
    return amounts


def _range(name: str | None) -> str:
    return "NO_DELINQUENCY" if name is None else name.upper()


def _delinquency_pauses(scenario: Scenario, where: str, step: Case) -> None:
    book = scenario.book()
    ours = [
        (start <= book.on <= end, start.isoformat(), end.isoformat())
        for start, end in book.delinquency_pauses
    ]
    theirs = [
        (_truth(row["active"]), row["pausePeriodStart"], row["pausePeriodEnd"])
        for row in step["rows"]
    ]
    same(where, theirs, ours)


def _truth(value: Any) -> bool:
    return value in (True, "true")


_EXPECTATIONS: Final[Mapping[str, Callable[[Scenario, str, Case], None]]] = {
    "schedule": _schedule,
    "totals": _totals,
    "transactions": _transactions,
    "charges": _charges,
    "transaction_reverted": _transaction_reverted,
    "status": _status,
    "outstanding": _outstanding,
    "overpaid": _overpaid,
    "charged_off_on": _charged_off_on,
    "all_installments_paid": _all_paid,
    "journal": _journal,
    "delinquency_loan": _delinquency_loan,
    "delinquency_installment": _delinquency_installment,
    "delinquency_pauses": _delinquency_pauses,
}
