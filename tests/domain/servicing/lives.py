"""The life of a loan, command by command, as tests tell it: days are counted from the payout."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Self
from uuid import UUID

from lending.domain.application import commands as c
from lending.domain.application.circumstances import Answer, Circumstances, days_of, own_events
from lending.domain.application.decide import decide
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import INITIAL, Application, Status
from lending.domain.loan.book import LoanBook
from lending.domain.loan.engine import replay
from lending.domain.loan.journal import LedgerAccount as A
from lending.domain.loan.terms import LateFee, Terms
from lending.domain.products import Product, ProductOnRecord
from lending.domain.servicing.state import Loan

THIS: Final = UUID(int=1)
"""The application of a life."""
PAYOUT: Final = date(2026, 1, 1)
LATE_FEE: Final = LateFee(amount=Decimal("25.00"), grace_days=5)
TERMS: Final = Terms(currency="USD", rate_percent=Decimal(12), instalments=12, late_fee=LATE_FEE)


def on_record(terms: Terms = TERMS, **bounds: Any) -> ProductOnRecord:
    """A product of these terms, published, which leaves rate and number of instalments open."""
    bounds = {
        "instalments_min": 1,
        "instalments_max": 600,
        "rate_percent_min": Decimal(-5),
        "rate_percent_max": Decimal(100),
        **bounds,
    }
    product = Product(name="personal-loan", version="1", terms=terms, **bounds)
    return ProductOnRecord(product=product, digest="d" * 64, registry_position=3)


PRODUCT: Final = on_record()


@dataclass
class Life:
    """An application and the loan it becomes."""

    product: ProductOnRecord | None = PRODUCT
    state: Application = INITIAL
    events: list[tuple[date, Event]] = field(default_factory=list)
    named: Application | None = None
    named_version: int = 0
    is_business_day: Callable[[date], bool] | None = None

    @property
    def version(self) -> int:
        """The version of its stream."""
        return len(self.events)

    @property
    def loan(self) -> Loan:
        """The loan."""
        assert self.state.loan is not None
        return self.state.loan

    @property
    def last(self) -> Any:
        """The last event."""
        return self.events[-1][1]

    def book(self, on: date | None = None) -> LoanBook:
        """The book of the loan on a day, else on the one to which it was computed."""
        assert self.loan.terms is not None
        return replay(self.loan.terms, self.loan.entries, on or self.loan.through)

    def given(self, on: date) -> Circumstances:
        """The circumstances of a command that counts from noon of a day."""
        return Circumstances(
            effective_at=noon(on),
            application_id=THIS,
            effective_on=on,
            backdated=True,
            version=self.version,
            product=self.product,
            named=self.named,
            named_version=self.named_version,
            is_business_day=self.is_business_day,
        )

    def answer(self, command: c.Command, on: date) -> Answer:
        """What would come of a command."""
        return decide(command, self.state, self.given(on))

    def does(self, command: c.Command, on: date) -> Self:
        """The command holds, and what it causes is recorded."""
        answer = self.answer(command, on)
        assert not isinstance(answer, Refused), answer
        for event, counts_from in zip(own_events(answer), days_of(answer, on), strict=True):
            self.records(event, counts_from)
        return self

    def records(self, event: Event, on: date) -> None:
        """An event is recorded."""
        self.events.append((on, event))
        self.state = evolve(self.state, event, Occurrence(self.version, noon(on), on, "local"))

    def refuses(self, command: c.Command, on: date) -> Refusal:
        """The command does not hold: why."""
        answer = self.answer(command, on)
        assert isinstance(answer, Refused), answer
        return answer.refusal


def noon(on: date) -> datetime:
    """The instant at which commands of a day come."""
    return datetime.combine(on, time(12), UTC)


def day(count: int) -> date:
    """So many days after the payout."""
    return PAYOUT + timedelta(days=count)


def accepted_offer(
    amount: str = "1200",
    product: ProductOnRecord | None = PRODUCT,
    *,
    of: str = "cust_2002",
    jointly: tuple[str, ...] = (),
    is_business_day: Callable[[date], bool] | None = None,
    **said: Any,
) -> Life:
    """An application whose offer is accepted, of a product or of an amount alone."""
    life = Life(product=product, is_business_day=is_business_day)
    joint = tuple(c.CoApplicant(applicant_id=one) for one in jointly)
    apply = c.Apply(applicant_id=of, amount=Decimal(amount), co_applicants=joint)
    life.does(apply, PAYOUT)
    life.does(c.Decide(outcome=c.Outcome.APPROVED), PAYOUT)
    name = None if product is None else product.product.name
    life.does(c.MakeOffer(amount=Decimal(amount), product=name, **said), PAYOUT)
    return life.does(c.AcceptOffer(offer_id="1"), PAYOUT)


def running(amount: str = "1200", product: ProductOnRecord | None = PRODUCT, **said: Any) -> Life:
    """A loan that was paid out."""
    return accepted_offer(amount, product, **said).does(c.Disburse(), PAYOUT)


def with_terms(**changed: Any) -> ProductOnRecord:
    """A product whose terms differ from the usual ones."""
    return on_record(replace(TERMS, **changed))


def posted(event: Any) -> dict[A, str]:
    """The postings of an event, by account."""
    return {line.account: str(line.amount) for line in event.booking.postings}


def amounts(event: Any) -> tuple[str, ...]:
    """What an event came to: principal, interest, fees, penalties, credit, balance."""
    booked = event.booking
    parts = (booked.principal, booked.interest, booked.fees, booked.penalties)
    return tuple(str(part) for part in (*parts, booked.credit, booked.balance))


def status_of(life: Life) -> Status:
    """Where a loan stands."""
    return life.state.status
