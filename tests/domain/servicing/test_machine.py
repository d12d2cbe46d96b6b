"""Loans that live at random: any command on any day, past days too, reversals included. Whatever comes
of it, the money adds up.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lending.domain.application import commands as c
from lending.domain.application.circumstances import Answer, Both, days_of, own_events
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused
from lending.domain.application.state import INITIAL
from lending.domain.loan import entries as act
from lending.domain.loan.book import LoanStatus, Sums
from lending.domain.loan.engine import payoff, replay
from lending.domain.loan.journal import LedgerAccount as Account
from lending.domain.loan.rounding import ZERO
from lending.domain.loan.terms import Component, NegativeAmortization, PaymentKind, Terms
from lending.domain.servicing import commands as s
from lending.domain.servicing import events as e
from lending.domain.servicing.statement import statement
from lending.ledger.canonical import canonical_json, parse_json
from lending.ledger.codec import Codec, NoKeyring
from tests.domain.servicing.drawn import TERMS_DRAWN, grows, weekdays
from tests.domain.servicing.lives import PAYOUT, Life, accepted_offer, noon, on_record

pytestmark = pytest.mark.timeout(600)  # hypothesis makes a failure small for up to five minutes

AMOUNTS: Final = st.sampled_from(
    [Decimal(text) for text in ("0.01", "25", "106.62", "250", "1200", "1500")]
)
DAYS_BACK: Final = st.sampled_from([0, 0, 3, 20, 45, -5, -31, -40])
"""How many days before today a command counts from; below zero, so many days pass before it."""
KINDS: Final = st.sampled_from(
    [
        PaymentKind.INSTALMENT,
        PaymentKind.INSTALMENT,
        PaymentKind.PREPAYMENT,
        PaymentKind.GOODWILL_CREDIT,
        PaymentKind.MERCHANT_REFUND,
    ]
)
RECEIVABLES: Final = (
    Account.LOANS_RECEIVABLE,
    Account.INTEREST_RECEIVABLE,
    Account.FEES_RECEIVABLE,
    Account.PENALTIES_RECEIVABLE,
)
COUNTS: Final = st.integers(1, 4)
BOARDED: Final = s.Board(
    product="personal-loan",
    principal=Decimal(900),
    paid_through=PAYOUT - timedelta(days=10),
    accrued_interest=Decimal("1.50"),
    arrears=(
        s.Arrears(
            due_on=PAYOUT - timedelta(days=40),
            principal=Decimal(100),
            interest=Decimal("12.34"),
            fees=Decimal(5),
        ),
    ),
)
CODEC: Final = Codec()


class Servicing(RuleBasedStateMachine):
    """One loan."""

    life: Life
    today: date

    @initialize(terms=TERMS_DRAWN, first=st.sampled_from([None, None, Decimal(500), BOARDED]))
    def begins(self, terms: Terms, first: Decimal | s.Board | None) -> None:
        self.life = accepted_offer(product=on_record(terms), is_business_day=weekdays)
        self.today = PAYOUT
        self.issue(first if isinstance(first, s.Board) else c.Disburse(amount=first), 0)

    # days and commands

    @rule(days=st.sampled_from([1, 6, 14, 31, 62]))
    def time_passes(self, days: int) -> None:
        self.today += timedelta(days=days)

    @rule(back=DAYS_BACK)
    def the_day_is_closed(self, back: int) -> None:
        self.issue(s.CloseDay(), back)

    @rule(amount=AMOUNTS, kind=KINDS, back=DAYS_BACK)
    def it_is_paid(self, amount: Decimal, kind: PaymentKind, back: int) -> None:
        self.issue(s.Repay(amount=amount, kind=kind), back)

    @rule(data=st.data(), back=DAYS_BACK)
    def something_is_reversed(self, data: st.DataObject, back: int) -> None:
        self.issue(s.Reverse(version=self.some_version(data), reason=_MISTAKE), back)

    @rule(data=st.data(), amount=AMOUNTS | st.none(), back=DAYS_BACK)
    def it_is_charged_back(self, data: st.DataObject, amount: Decimal | None, back: int) -> None:
        self.issue(s.ChargeBack(version=self.some_version(data), amount=amount), back)

    @rule(amount=AMOUNTS, kind=st.sampled_from(s.ChargeKind), back=DAYS_BACK)
    def it_is_charged(self, amount: Decimal, kind: s.ChargeKind, back: int) -> None:
        self.issue(s.AssessCharge(kind=kind, amount=amount), back)

    @rule(data=st.data(), amount=st.none() | AMOUNTS, back=DAYS_BACK)
    def a_charge_is_waived(self, data: st.DataObject, amount: Decimal | None, back: int) -> None:
        self.issue(s.WaiveCharge(version=self.some_charge(data), amount=amount), back)

    @rule(data=st.data(), amount=AMOUNTS, back=DAYS_BACK)
    def a_charge_is_adjusted(self, data: st.DataObject, amount: Decimal, back: int) -> None:
        charge = self.some_charge(data)
        kind = PaymentKind.CHARGE_ADJUSTMENT
        self.issue(s.Repay(amount=amount, kind=kind, charge=charge), back)

    @rule(
        command=st.one_of(
            st.builds(s.RefundCredit),
            st.builds(s.WaiveInterest, amount=AMOUNTS),
            st.builds(s.Forgive, amount=AMOUNTS),
            st.builds(s.ChangeRate, rate_percent=st.sampled_from([Decimal(3), Decimal(20)])),
            st.builds(s.Extend, instalments=COUNTS),
            st.builds(s.Pause, instalments=COUNTS),
            st.builds(s.ReAmortise),
            st.builds(s.Capitalise),
            st.builds(c.Disburse),
        ),
        back=DAYS_BACK,
    )
    def the_terms_change(self, command: c.Command, back: int) -> None:
        self.issue(command, back)

    @rule(days=st.integers(1, 40), instalments=COUNTS)
    def it_is_re_aged(self, days: int, instalments: int) -> None:
        first = self.today + timedelta(days=days)
        self.issue(s.ReAge(first_due_on=first, instalments=instalments), 0)

    @rule(data=st.data(), days=st.integers(1, 40))
    def a_due_date_moves(self, data: st.DataObject, days: int) -> None:
        if self.life.state.loan is None:
            return
        dues = [one.due for one in self.life.book().instalments if one.due > self.today]
        if dues:
            due = data.draw(st.sampled_from(dues[:3]))
            self.issue(s.MoveDueDate(due_on=due, to=due + timedelta(days=days)), 0)

    @precondition(lambda self: self.life.version > 15)
    @rule(
        command=st.sampled_from(
            [
                s.ChargeOff(),
                s.UndoChargeOff(),
                s.WriteOff(),
                s.Settle(amount=Decimal(50)),
                s.Transfer(to="x", price=Decimal(900)),
                s.Recover(amount=Decimal(30)),
                s.CloseLoan(),
            ]
        )
    )
    def it_ends(self, command: c.Command) -> None:
        self.issue(command, 0)

    @precondition(lambda self: self.life.version > 10)
    @rule(amount=st.sampled_from(["1100", "1500"]), back=DAYS_BACK)
    def it_is_refinanced(self, amount: str, back: int) -> None:
        """This loan paid off out of another: what one owes in suspense, the other has there."""
        self.today += timedelta(days=max(-back, 0))
        other = accepted_offer(amount, self.life.product, is_business_day=weekdays)
        life = self.life
        life.named, life.named_version = other.state, other.version
        answer = life.answer(s.Refinance(into=UUID(int=2)), self.today)
        if not isinstance(answer, Both):
            assert isinstance(answer, Refused)
            return
        before = life.loan.accounts.get(Account.SUSPENSE, ZERO)
        self.record(answer.here, self.today)
        for event in answer.there:
            _is_stored(event)
            other.records(event, self.today)
        in_suspense = [one.loan.accounts.get(Account.SUSPENSE, ZERO) for one in (life, other)]
        assert sum(in_suspense) == before
        assert sum(other.loan.accounts.values(), ZERO) == 0

    def some_version(self, data: st.DataObject) -> int:
        """The version of some event, one of the loan's mostly."""
        version: int = data.draw(st.integers(4, max(self.life.version, 5)))
        return version

    def some_charge(self, data: st.DataObject) -> int:
        """The number of an event that assessed a charge, of any other where there is none."""
        events = enumerate(self.life.events, 1)
        charges = [number for number, (_, one) in events if isinstance(one, e.ChargeAssessed)]
        return data.draw(st.sampled_from(charges)) if charges else self.some_version(data)

    def issue(self, command: c.Command, back: int) -> None:
        """Decide, twice, and record what is decided; what an event says is checked at once."""
        self.today += timedelta(days=max(-back, 0))
        on = max(self.today - timedelta(days=max(back, 0)), PAYOUT)
        answer = self.life.answer(command, on)
        assert answer == self.life.answer(command, on)
        if isinstance(answer, Refused):
            return
        assert not isinstance(answer, Both)
        self.record(answer, on)

    def record(self, answer: Answer, command_on: date) -> None:
        """Record what was decided, and check what each event says."""
        for event, on in zip(own_events(answer), days_of(answer, command_on), strict=True):
            assert on <= command_on
            _is_stored(event)
            if isinstance(event, e.ChargeAssessed) and event.late_for is not None:
                self.is_no_fee_for_a_fee(event, on)
            self.life.records(event, on)
            self.booked(event)

    def is_no_fee_for_a_fee(self, fee: e.ChargeAssessed, on: date) -> None:
        """Something else than late fees is unpaid of the instalment (12 CFR 1026.36(c)(2))."""
        loan = self.life.loan
        others = [one for one in loan.entries if one.number not in loan.late_fees]
        line = next(
            one
            for one in replay(loan.known_terms, others, on).instalments
            if one.due == fee.late_for
        )
        assert line.outstanding > 0

    def booked(self, event: Any) -> None:
        """Debits equal credits, and the event says where the loan stands."""
        booking = getattr(event, "booking", None)
        if booking is None:
            return
        assert sum((line.amount for line in booking.postings), ZERO) == 0
        assert all(line.amount for line in booking.postings)
        if self.life.state.loan is not None:
            book = self.life.book()
            assert (booking.balance, booking.status) == (book.principal, book.status)

    # what always holds

    @invariant()
    def the_state_is_the_fold_of_its_events(self) -> None:
        if not hasattr(self, "life"):
            return
        state = INITIAL
        for version, (on, event) in enumerate(self.life.events, 1):
            state = evolve(state, event, Occurrence(version, noon(on), on, "local"))
        assert state == self.life.state

    @invariant()
    def the_money_adds_up(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None:
            return
        assert sum(loan.accounts.values(), ZERO) == 0
        book = self.life.book()
        made_owed, gone = ZERO, ZERO
        for entry in loan.counting:
            allocation = book.allocations.get(entry.number)
            if allocation is None:
                continue
            principal = allocation.sums.principal
            match entry.act:
                case act.Disbursed() | act.Boarded() | act.ChargedBack() | act.CreditRefunded():
                    made_owed += principal
                case act.Capitalised():
                    made_owed += allocation.sums.total
                case act.Paid() | act.Forgiven() | act.Ended():
                    gone += principal
                case _:
                    pass
        assert made_owed + book.capitalised_in_grace == gone + book.principal
        if loan.charge_off is None and not loan.ended:
            assert loan.accounts.get(Account.LOANS_RECEIVABLE, ZERO) == book.principal
        else:
            assert loan.accounts.get(Account.LOANS_RECEIVABLE, ZERO) == 0
        paid = sum((one.act.amount for one in loan.counting if isinstance(one.act, act.Paid)), ZERO)
        lines = _added(book.instalments, "paid").total
        assert paid >= lines - _charged_back(loan.counting)

    @invariant()
    def paying_what_is_quoted_pays_it_off(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None or loan.status is not LoanStatus.ACTIVE:
            return
        amount = payoff(loan.known_terms, loan.entries, self.today).total
        answer = self.life.answer(s.Repay(amount=amount, kind=PaymentKind.PAYOFF), self.today)
        if not isinstance(answer, Refused):
            (paid,) = own_events(answer)
            assert isinstance(paid, e.Repaid)
            left_over = loan.credit > 0
            assert paid.booking.status is (
                LoanStatus.OVERPAID if left_over else LoanStatus.PAID_OFF
            )

    @invariant()
    def nothing_is_receivable_of_a_loan_that_is_paid_off(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is not None and loan.status is LoanStatus.PAID_OFF:
            assert not any(loan.accounts.get(one, ZERO) for one in RECEIVABLES), loan.accounts

    @invariant()
    def no_component_is_negative(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None:
            return
        book, allowed = self.life.book(), loan.known_terms.negative_amortization
        for one in book.instalments:
            for sums in (one.owed, one.paid, one.waived, one.written_off):
                assert min(sums[1:]) >= 0, one
            assert one.owed.principal >= 0 or allowed is NegativeAmortization.ALLOWED, one
            assert min(one.paid.principal, one.waived.principal, one.written_off.principal) >= 0
            assert one.outstanding >= 0, one
        assert book.credit >= 0
        assert book.principal >= 0

    @invariant()
    def the_schedule_sums_to_principal(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None:
            return
        book = self.life.book()
        left = sum((_left(one, Component.PRINCIPAL) for one in book.instalments), ZERO)
        if not loan.ended:
            assert left >= book.principal if grows(loan.known_terms) else left == book.principal

    @invariant()
    def the_statement_tells_what_is_due_by_what_fell_due(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None or loan.status is not LoanStatus.ACTIVE:
            return
        said = statement(loan, PAYOUT - timedelta(days=400), self.today)
        assert sum((one.unpaid for one in said.fell_due), ZERO) == said.closing.due.total
        for one in said.fell_due:
            assert min(one.owed[1:]) >= 0, one
        changes = sum((one.principal_change for one in said.movements), ZERO)
        assert changes + self.life.book(self.today).capitalised_in_grace == said.closing.principal

    @invariant()
    def the_past_does_not_depend_on_when_it_is_asked(self) -> None:
        loan = self.life.state.loan if hasattr(self, "life") else None
        if loan is None:
            return
        past = PAYOUT + (self.today - PAYOUT) / 2
        first = self.life.book(past)
        self.life.book(self.today)
        assert self.life.book(past) == first

    def teardown(self) -> None:
        """Whatever can be reversed is, the last first: where all of it can, nothing is left."""
        if not hasattr(self, "life"):
            return
        while self.life.state.loan is not None:
            numbers = [entry.number for entry in self.life.loan.counting]
            before = self.life.version
            for number in reversed(numbers):
                self.issue(s.Reverse(version=number, reason=_MISTAKE), 0)
                if self.life.version > before:
                    break
            else:
                return
        total: dict[Account, Decimal] = {}
        for _, event in self.life.events:
            booking = getattr(event, "booking", None)
            for line in () if booking is None else booking.postings:
                total[line.account] = total.get(line.account, ZERO) + line.amount
        assert not any(total.values()), total


_MISTAKE: Final = s.ReversalReason.MISTAKE


def _is_stored(event: Event) -> None:
    """An event of a loan reads as it was written."""
    stored = canonical_json(CODEC.encode(event, NoKeyring(), ""))
    read = CODEC.decode(event.stored_as, event.schema_version, parse_json(stored), NoKeyring())
    assert read == event


def _added(instalments: Any, name: str) -> Sums:
    total = Sums()
    for one in instalments:
        total = total.add(getattr(one, name))
    return total


def _charged_back(entries: Any) -> Decimal:
    return sum((one.act.amount for one in entries if isinstance(one.act, act.ChargedBack)), ZERO)


def _left(one: Any, component: Component) -> Decimal:
    owed: Decimal = one.owed.of(component)
    gone = (sums.of(component) for sums in (one.paid, one.waived, one.written_off))
    return owed - sum(gone, ZERO)


TestServicing = Servicing.TestCase
TestServicing.settings = settings(
    max_examples=120,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
