"""Apache Fineract's servicing scenarios: what is done to a loan, step by step."""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from lending.domain.calendar import PeriodUnit
from lending.domain.loan import entries as e
from lending.domain.loan.book import Allocation, LoanBook
from lending.domain.loan.delinquency import delinquency
from lending.domain.loan.engine import payoff, replay
from lending.domain.loan.entries import Act, Entry
from lending.domain.loan.terms import (
    Component,
    DelinquencyBucket,
    DownPaymentMode,
    PaymentKind,
    Terms,
)
from tests.conformance.fineract_products import terms_of
from tests.conformance.loan_outcomes import Case

PAYMENTS: Final = {
    "repayment": ("Repayment", PaymentKind.INSTALMENT),
    "merchant_issued_refund": ("Merchant Issued Refund", PaymentKind.MERCHANT_REFUND),
    "goodwill_credit": ("Goodwill Credit", PaymentKind.GOODWILL_CREDIT),
    "charge_adjustment": ("Charge Adjustment", PaymentKind.CHARGE_ADJUSTMENT),
}
_CENT: Final = Decimal("0.01")


def money(text: str) -> Decimal:
    """An amount with two digits."""
    return Decimal(text).quantize(_CENT)


class Transaction(NamedTuple):
    """An entry under the name the source gives it; `seen` is what it last did, `undone` since."""

    name: str
    entry: Entry
    seen: Allocation | None = None
    undone: bool = False


class Scenario:
    """A loan under way: its terms, its entries, and the source's names for them."""

    def __init__(self, file: Case) -> None:
        self._file = file
        self._rules: dict[str, dict[str, str]] = {}
        self._loan: Case = {}
        self._count = 0
        self._others: list[Entry] = []
        self.today = date.min
        self.terms: Terms | None = None
        self.transactions: list[Transaction] = []
        self.delinquency_class: str | None = None

    # reading

    @property
    def entries(self) -> list[Entry]:
        """All that was entered; before funding, the advance that was applied for."""
        entered = [one.entry for one in self.transactions] + self._others
        if entered:
            return entered
        amount = money(self._loan["principal"])
        return [Entry(1, date.fromisoformat(self._loan["date"]), e.Disbursed(amount=amount))]

    def standing(self) -> list[Entry]:
        """Those that were not undone."""
        undone = {one.entry.number for one in self.transactions if one.undone}
        return [
            entry
            for entry in self.entries
            if entry.number not in undone and not isinstance(entry.act, e.Reversed)
        ]

    def the_terms(self) -> Terms:
        """The terms of the loan that was submitted."""
        if self.terms is None:
            raise ValueError("nothing was submitted")
        return self.terms

    def book(self) -> LoanBook:
        """The loan today."""
        return replay(self.the_terms(), self.entries, self.today)

    # doing

    def do(self, step: Case) -> None:
        """Do one step, and look at what every transaction has done by then."""
        op = step["op"]
        if op in PAYMENTS:
            self._pay(op, step)
        else:
            getattr(self, f"_{op}")(step)
        if self.transactions:
            self._look()

    def _look(self) -> None:
        book = self.book()
        self.transactions = [
            one._replace(seen=book.allocations.get(one.entry.number, one.seen))
            for one in self.transactions
        ]

    def _enter(self, on: date, act: Act) -> Entry:
        self._count += 1
        return Entry(self._count, on, act)

    def _transact(self, name: str, on: date, act: Act) -> None:
        self.transactions.append(Transaction(name, self._enter(on, act)))
        self._classify()

    def _note(self, act: Act, on: date | None = None) -> None:
        self._others.append(self._enter(on or self.today, act))

    def _set_business_date(self, step: Case) -> None:
        self.today = date.fromisoformat(step["date"])

    def _set_future_installment_rule(self, step: Case) -> None:
        self._rules.setdefault(step["product"], {})[step["transaction_type"]] = step["rule"]

    def _submit(self, step: Case) -> None:
        self._loan = step
        product = self._file["products"][step["product"]]
        rules = self._rules.get(step["product"], {})
        self.terms = terms_of(product, step, rules, self._buckets())

    def _buckets(self) -> tuple[DelinquencyBucket, ...]:
        return tuple(
            DelinquencyBucket(name=f"range_{low - 1 or low}", from_days=low, to_days=high)
            for low, high in self._file["meta"]["conventions"]["delinquency_buckets_days"]
        )

    def _approve(self, step: Case) -> None:
        """Approval is no entry of the loan's."""

    def _disburse(self, step: Case) -> None:
        on, amount = date.fromisoformat(step["date"]), money(step["amount"])
        self._transact("Disbursement", on, e.Disbursed(amount=amount))
        terms = self.the_terms()
        if terms.down_payment_percent and terms.down_payment_mode is DownPaymentMode.AUTOMATIC:
            part = (amount * terms.down_payment_percent / 100).quantize(_CENT)
            paid = e.Paid(amount=part, kind=PaymentKind.DOWN_PAYMENT)
            self._transact("Down Payment", on, paid)

    def _pay(self, op: str, step: Case) -> None:
        name, kind = PAYMENTS[op]
        on = date.fromisoformat(step["date"]) if "date" in step else self.today
        self._transact(name, on, e.Paid(amount=money(step["amount"]), kind=kind))

    def _charge_adjustment(self, step: Case) -> None:
        self._pay("charge_adjustment", {"amount": step["amount"]})

    def _pay_off(self, step: Case) -> None:
        on = date.fromisoformat(step["date"])
        amount = payoff(self.the_terms(), self.entries, on).total
        self._transact("Repayment", on, e.Paid(amount=amount))

    def _credit_balance_refund(self, step: Case) -> None:
        on, amount = date.fromisoformat(step["date"]), money(step["amount"])
        self._transact("Credit Balance Refund", on, e.CreditRefunded(amount=amount))

    def _chargeback(self, step: Case) -> None:
        paid = [one for one in self.transactions if one.name == "Repayment"]
        number = int(step.get("of_payment_nr", len(paid)))
        act = e.ChargedBack(of=paid[number - 1].entry.number, amount=money(step["amount"]))
        self._transact("Chargeback", self.today, act)

    def _undo(self, index: int) -> None:
        one = self.transactions[index]
        self._note(e.Reversed(of=one.entry.number))
        self.transactions[index] = one._replace(undone=True)
        self._classify()

    def _undo_transaction(self, step: Case) -> None:
        on, name = date.fromisoformat(step["transaction_date"]), step.get("type")
        found = [
            index
            for index, one in enumerate(self.transactions)
            if one.entry.on == on and name in (None, one.name)
        ]
        self._undo(found[int(step["nth"]) - 1])

    def _undo_repayment(self, step: Case) -> None:
        self._undo_transaction({**step, "type": "Repayment"})

    def _undo_charge_adjustment(self, step: Case) -> None:
        self._undo_transaction(
            {"transaction_date": step["date"], "type": "Charge Adjustment", "nth": 1}
        )

    def _undo_charge_off(self, _step: Case) -> None:
        names = [one.name for one in self.transactions]
        self._undo(names.index("Charge-off"))

    def _add_charge(self, step: Case) -> None:
        penalty = "NSF" in step["charge"]
        component = Component.PENALTY if penalty else Component.FEE
        self._charge(component, money(step["amount"]), step)

    def _add_percent_charge(self, step: Case) -> None:
        owed = self.book().owed
        amount = (owed.principal + owed.interest) * Decimal(step["percent"]) / 100
        self._charge(Component.FEE, amount.quantize(_CENT), step)

    def _charge(self, component: Component, amount: Decimal, step: Case) -> None:
        due_on = date.fromisoformat(step["due"])
        self._note(e.ChargeAssessed(component=component, amount=amount, due_on=due_on))

    def _charge_off(self, step: Case) -> None:
        self._transact("Charge-off", date.fromisoformat(step["date"]), e.ChargedOff())

    def _set_fraud_flag(self, step: Case) -> None:
        """Fraud chooses an account of the source's chart and changes no amount."""

    def _reage(self, step: Case) -> None:
        args = step["args"]
        act = e.ReAged(
            first_due_on=date.fromisoformat(args["startDate"]),
            instalments=int(args["numberOfInstallments"]),
            every=int(args["frequencyNumber"]),
            period=PeriodUnit(args["frequencyType"].lower()),
        )
        self._transact("Re-age", self.today, act)

    def _reschedule(self, step: Case) -> None:
        args = step["args"]
        moved = e.DueDateMoved(
            due_on=date.fromisoformat(args["rescheduleFromDate"]),
            to=date.fromisoformat(args["adjustedDueDate"]),
        )
        self._note(moved)

    def _delinquency_pause(self, step: Case) -> None:
        until = date.fromisoformat(step["end"])
        self._note(e.DelinquencyPaused(until=until), date.fromisoformat(step["start"]))

    def _delinquency_resume(self, step: Case) -> None:
        self._note(e.DelinquencyResumed(), date.fromisoformat(step["start"]))

    def _run_close_of_business(self, _step: Case) -> None:
        self._classify()

    def _enable_cob_step(self, step: Case) -> None:
        """Late interest is computed whenever it is asked for, not by a step of the day's close."""

    def _disable_cob_step(self, step: Case) -> None:
        """The same."""

    def _classify(self) -> None:
        """The class of arrears is renewed by transactions and the day's close, not in a pause."""
        book = self.book()
        if not any(start <= self.today <= end for start, end in book.delinquency_pauses):
            self.delinquency_class = delinquency(self.the_terms(), book).bucket
