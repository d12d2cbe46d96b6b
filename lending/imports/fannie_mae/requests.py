"""From planned steps to requests, and from their answers to what the ledger says of every month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from lending.client import CommandAnswer
from lending.imports.fannie_mae.files import Mortgage, first_of
from lending.imports.fannie_mae.plan import Act, Step, plan
from lending.imports.mapping import Request
from lending.imports.xes import EPOCH

AGENT_BUILD: Final = "import-fannie-mae/1"
ACTOR: Final = "Fannie Mae"
_NOON: Final = timedelta(hours=12)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Planned:
    """A mortgage with all that is asked of the ledger for it."""

    mortgage: Mortgage
    steps: tuple[Step, ...]

    @property
    def commands(self) -> int:
        """How many commands that is."""
        return sum(len(step.acts) + len(step.ending) for step in self.steps)


@dataclass(slots=True)
class Told:
    """What the ledger answered: balances and statuses after commands, by their keys."""

    balances: dict[str, Decimal] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def take(self, request: Request, answer: CommandAnswer) -> None:
        """Keep what an answer says of the loan."""
        self.statuses[request.key] = answer.status
        for event in answer.events:
            booking = event.data.get("booking")
            if booking is not None:
                self.balances[request.key] = Decimal(booking["balance"])


def planned(mortgages: Sequence[Mortgage]) -> list[Planned]:
    """All mortgages with their steps."""
    return [Planned(one, tuple(plan(one))) for one in mortgages]


def requests(loans: Sequence[Planned]) -> Iterator[Request]:
    """Every command of every loan, a loan at a time."""
    for case, loan in enumerate(loans):
        for step in loan.steps:
            for number, act in enumerate((*step.acts, *step.ending), 1):
                yield _request(case, loan.mortgage, step, number, act)


def key_of(mortgage: Mortgage, step: Step, number: int) -> str:
    """The idempotency key of a month's command."""
    return f"fannie-mae/{mortgage.name}/{first_of(step.month):%Y-%m}/{number}"


def _request(case: int, mortgage: Mortgage, step: Step, number: int, act: Act) -> Request:
    at = datetime.combine(first_of(act.month), datetime.min.time(), UTC) + _NOON
    name = type(act.command).__name__
    return Request(
        case=case,
        subject=f"mortgage {mortgage.name}, {first_of(step.month):%Y-%m}, {name}",
        activity=name,
        after_outcome=False,
        kind=step.kind,
        command=act.command,
        key=key_of(mortgage, step, number),
        actor=ACTOR,
        instant_us=(at - EPOCH) // _MICROSECOND,
    )
