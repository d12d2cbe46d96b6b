"""Loans with a life: commands decided by the domain's own rules, one after the other.

What belongs here: what makes histories of loans, at will or at random, and puts them into a world.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.circumstances import Circumstances, days_of, own_events
from lending.domain.application.decide import decide
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused
from lending.domain.application.state import INITIAL, Application
from lending.domain.loan.book import LoanBook
from lending.domain.loan.engine import replay
from lending.domain.loan.terms import (
    DelinquencyBucket,
    InterestBasis,
    LateFee,
    PaymentKind,
    PaymentRule,
    Prepayment,
    Terms,
)
from lending.domain.products import Product, ProductOnRecord
from lending.domain.servicing import commands as s
from lending.domain.servicing.state import Loan
from tests.projections.worlds import Stream, World

FUNDED_ON: Final = date(2024, 1, 15)
AMOUNT: Final = Decimal(1200)
TERMS: Final = Terms(
    currency="USD",
    rate_percent=Decimal(12),
    instalments=12,
    late_fee=LateFee(amount=Decimal("25.00"), grace_days=5),
)
BUCKETS: Final = (
    DelinquencyBucket(name="early", from_days=1, to_days=20),
    DelinquencyBucket(name="late", from_days=21),
)


def product(terms: Terms = TERMS) -> ProductOnRecord:
    """A product of these terms, as the registry has it."""
    made = Product(
        name="personal-loan",
        version="3",
        terms=terms,
        instalments_min=1,
        instalments_max=600,
        rate_percent_min=Decimal(0),
        rate_percent_max=Decimal(30),
    )
    return ProductOnRecord(product=made, digest="0" * 64, registry_position=1)


@dataclass
class LoanLife:
    """An application and what happened to it, by the rules; what they refuse does not happen."""

    product: ProductOnRecord = field(default_factory=product)
    state: Application = INITIAL
    events: list[tuple[date, e.Event]] = field(default_factory=list)

    def do(self, command: Any, on: date) -> "LoanLife":
        """Ask for something as of a day, at noon."""
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        given = Circumstances(
            effective_at=at,
            effective_on=on,
            backdated=True,
            version=len(self.events),
            product=self.product,
        )
        answer = decide(command, self.state, given)
        if not isinstance(answer, Refused):
            days = days_of(answer, on)
            for event, since in zip(own_events(answer), days, strict=True):
                self.events.append((since, event))
                happening = Occurrence(len(self.events), at, since, "local")
                self.state = evolve(self.state, event, happening)
        return self

    def must(self, command: Any, on: date) -> "LoanLife":
        """Ask for something that cannot be refused here."""
        before = len(self.events)
        self.do(command, on)
        assert len(self.events) > before, f"refused: {command}"
        return self

    @property
    def version(self) -> int:
        """The number of the last event."""
        return len(self.events)

    @property
    def loan(self) -> Loan:
        """The loan, which there is."""
        assert self.state.loan is not None
        return self.state.loan

    def book(self, on: date | None = None) -> LoanBook:
        """The book on a day, without one on the day the loan was computed to."""
        return replay(self.loan.known_terms, self.loan.entries, on or self.loan.through)


def accepted(terms: Terms | None = TERMS, amount: Decimal = AMOUNT) -> LoanLife:
    """An application with an accepted offer, of a product's terms or of an amount alone."""
    life = LoanLife() if terms is None else LoanLife(product(terms))
    life.must(c.Apply(applicant_id="cust_1", amount=amount, reference="r-1"), FUNDED_ON)
    life.must(c.Decide(outcome=c.Outcome.APPROVED), FUNDED_ON)
    name = None if terms is None else "personal-loan"
    life.must(c.MakeOffer(amount=amount, product=name), FUNDED_ON)
    return life.must(c.AcceptOffer(offer_id="1"), FUNDED_ON)


def funded(terms: Terms | None = TERMS, amount: Decimal = AMOUNT) -> LoanLife:
    """A loan that was paid out."""
    return accepted(terms, amount).must(c.Disburse(), FUNDED_ON)


def boarded(terms: Terms = TERMS) -> LoanLife:
    """A loan that was taken over, with an instalment unpaid."""
    life = LoanLife(product(terms))
    life.must(c.Apply(applicant_id="cust_1", amount=AMOUNT), FUNDED_ON)
    life.must(c.Decide(outcome=c.Outcome.APPROVED), FUNDED_ON)
    late = s.Arrears(due_on=date(2024, 1, 1), principal=Decimal(90), interest=Decimal(11))
    board = s.Board(
        product="personal-loan",
        principal=Decimal(800),
        paid_through=date(2024, 1, 10),
        accrued_interest=Decimal("1.33"),
        arrears=(late,),
    )
    return life.must(board, FUNDED_ON)


def written(world: World, life: LoanLife, after: int = 0, stream: Stream | None = None) -> Stream:
    """The stream of a life, with what comes behind a version appended to the log."""
    stream = stream or world.stream()
    for on, event in life.events[after:]:
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        world.append(stream, event, effective_at=at)
    return stream


# at random

_BASES: Final = tuple(InterestBasis)
_PREPAYMENTS: Final = (Prepayment.NEXT, Prepayment.KEEP_INSTALMENT, Prepayment.REAMORTISE)


def some_terms(chance: random.Random) -> Terms:
    """Terms of one kind or another."""
    return Terms(
        currency=chance.choice(["USD", "JPY"]),
        rate_percent=Decimal(chance.choice([0, 6, 12])),
        instalments=chance.choice([3, 6, 12]),
        interest_basis=chance.choice(_BASES),
        payment_rules=(PaymentRule(prepayment=chance.choice(_PREPAYMENTS)),),
        late_fee=LateFee(amount=Decimal(25), grace_days=5),
        delinquency_grace_days=chance.choice([0, 3]),
        delinquency_buckets=chance.choice([(), BUCKETS]),
    )


def begun(chance: random.Random) -> LoanLife:
    """A loan at its beginning: paid out with terms or without, or taken over."""
    terms = some_terms(chance)
    match chance.randrange(6):
        case 0:
            return boarded(_in_dollars(terms))
        case 1:
            life = funded(None)
            return life.do(s.SetTerms(product="personal-loan"), FUNDED_ON + timedelta(days=9))
        case 2:
            return funded(None)
        case _:
            return _lent_in(terms)


def _in_dollars(terms: Terms) -> Terms:
    return terms if terms.currency == "USD" else TERMS


def _lent_in(terms: Terms) -> LoanLife:
    life = LoanLife(product(terms))
    apply = c.Apply(applicant_id="cust_1", amount=AMOUNT, currency=terms.currency)
    life.must(apply, FUNDED_ON)
    life.must(c.Decide(outcome=c.Outcome.APPROVED), FUNDED_ON)
    life.must(c.MakeOffer(amount=AMOUNT, product="personal-loan"), FUNDED_ON)
    life.must(c.AcceptOffer(offer_id="1"), FUNDED_ON)
    if terms.instalments == 6:
        life.must(c.Disburse(amount=Decimal(700)), FUNDED_ON)
        return life.do(c.Disburse(amount=Decimal(500)), FUNDED_ON + timedelta(days=20))
    return life.must(c.Disburse(), FUNDED_ON)


def lived(chance: random.Random, steps: int) -> LoanLife:
    """A loan to which so many things were tried, most of them on later and later days."""
    life, on = begun(chance), FUNDED_ON
    for _ in range(steps):
        on += timedelta(days=chance.choice([0, 1, 7, 16, 31]))
        back = timedelta(days=chance.choice([0, 0, 0, 25]))
        life.do(something(chance, life, on), max(on - back, FUNDED_ON))
    return life


def something(chance: random.Random, life: LoanLife, on: date) -> Any:
    """A command that may make sense for a loan, mostly money and mostly whole."""
    version = chance.randrange(2, life.version + 2)
    amount = Decimal(chance.choice([20, 107, 107, 107, 300, 1500]))
    if chance.random() < 0.5:
        return chance.choice(
            [
                s.Repay(amount=amount, channel="sepa", reference=f"p-{life.version}"),
                s.Repay(amount=amount),
                s.CloseDay(),
            ]
        )
    return chance.choice(
        [
            s.Repay(amount=amount, kind=PaymentKind.GOODWILL_CREDIT),
            s.Reverse(version=version, reason=s.ReversalReason.RETURNED_UNPAID),
            s.Reverse(version=version, reason=s.ReversalReason.MISTAKE),
            s.ChargeBack(version=version, amount=Decimal(11)),
            s.RefundCredit(),
            s.AssessCharge(kind=s.ChargeKind.FEE, amount=Decimal(10)),
            s.WaiveCharge(version=version),
            s.WaiveInterest(amount=Decimal(1)),
            s.ChangeRate(rate_percent=Decimal(9)),
            s.Extend(instalments=3),
            s.Pause(instalments=1),
            s.ReAge(first_due_on=on + timedelta(days=31), instalments=4),
            s.ReAmortise(),
            s.Capitalise(),
            s.Forgive(amount=Decimal(50)),
            s.PauseDelinquency(until=on + timedelta(days=12)),
            s.ResumeDelinquency(),
            s.ChargeOff(),
            s.UndoChargeOff(),
            s.WriteOff(),
            s.Recover(amount=Decimal(40)),
            s.Settle(amount=Decimal(300)),
            s.Transfer(to="another bank", price=Decimal(600)),
            s.CloseLoan(),
            c.AddNote(text="called"),
        ]
    )
