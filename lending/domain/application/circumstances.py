"""What a decision depends on besides command and state, and the forms its answer takes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from lending.domain.application.commands import Outcome
from lending.domain.application.events import Event, PolicyCited
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refused
from lending.domain.application.state import Application
from lending.domain.authority import LOCAL, Principal, PrincipalKind, Role
from lending.domain.fields import FactValue
from lending.domain.models import Models
from lending.domain.products import ProductOnRecord
from lending.domain.suspensions import NOTHING_SUSPENDED, Suspension, Suspensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a credit policy says of an application, what it saw, and what evaluated it.

    `amount` and `term_months` are the terms of a counter-offer.
    """

    policy: PolicyCited
    outcome: Outcome
    reasons: tuple[Reason, ...]
    facts: Mapping[str, FactValue]
    personal_facts: Mapping[str, FactValue]
    trace: tuple[str, ...]
    amount: Decimal | None = None
    term_months: int | None = None
    fact_schema: int | None = None
    engine: str | None = None
    engine_version: str | None = None
    trace_digest: str | None = None


@dataclass(frozen=True, slots=True)
class FactsMissing:
    """What a credit policy says of an application it cannot judge: the names of missing facts."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyFaulty:
    """A credit policy gave no answer that could be a decision; `fault` says what is wrong with it."""

    fault: str


Judgement = Verdict | FactsMissing | PolicyFaulty
"""What comes of asking a credit policy about an application."""


class Asking(NamedTuple):
    """Who asks, on whose behalf, and what is known of others: what authority depends on.

    `registered` are the principals that the ledger knows, to name one who could do what who asks
    may not.
    """

    principal: Principal = LOCAL
    on_behalf_of: str | None = None
    suspended: Suspensions = NOTHING_SUSPENDED
    registered: Collection[Principal] = ()

    @property
    def restricted(self) -> bool:
        """Whether anything that depends on who asks is enforced."""
        return not self.principal.unrestricted

    @property
    def parties(self) -> frozenset[str]:
        """Who acts: the principal, and on whose behalf."""
        on_behalf_of = self.on_behalf_of
        return frozenset(
            {self.principal.name} if on_behalf_of is None else {self.principal.name, on_behalf_of}
        )

    @property
    def imports(self) -> bool:
        """Whether it may bring in history: what others decided elsewhere, under other rules."""
        return self.principal.unrestricted or Role.IMPORTER in self.principal.roles

    @property
    def automated(self) -> bool:
        """Whether what it decides itself is an automated decision."""
        return self.restricted and self.principal.kind is not PrincipalKind.HUMAN

    @property
    def suspension(self) -> Suspension | None:
        """The suspension of who asks, or of those on whose behalf, if one stands."""
        return self.suspended.of_principals(self.parties) if self.restricted else None

    def scored(self, state: Application) -> bool:
        """Whether who asks, or on whose behalf, has scored the application."""
        return self.restricted and not state.scorers.isdisjoint(self.parties)


ANYBODY: Final = Asking()
"""Who asks a ledger without authentication."""


_ZONES: Final = timedelta(days=1)
"""How far the date of another time zone may be ahead."""


class Circumstances(NamedTuple):
    """What a decision depends on besides command and state.

    `effective_at` is the instant from which the command counts and `effective_on` its date in the
    ledger's time zone; `backdated` says that the caller gave it, and that it is past. `version` is
    the stream's before the command. `policy` is the active one and `verdict` what it says, where it
    was asked; `named` the application that the command names, where it exists, at `named_version`;
    `product` the product it names, or that its loan is of, where there is one, and
    `is_business_day` the calendar of its terms. `models` are the score models on record, where only their scores count.
    """

    effective_at: datetime
    effective_on: date
    backdated: bool = False
    policy: PolicyCited | None = None
    verdict: Judgement | None = None
    named: Application | None = None
    named_version: int = 0
    asking: Asking = ANYBODY
    application_id: UUID | None = None
    version: int = 0
    product: ProductOnRecord | None = None
    is_business_day: Callable[[date], bool] | None = None
    models: Models | None = None

    def ahead(self, day: date) -> bool:
        """Whether a day has not come yet, in any time zone."""
        return day - self.effective_on > _ZONES

    @property
    def recording(self) -> bool:
        """Whether history is brought in, rather than something done now."""
        return self.backdated and self.asking.imports


class Both(NamedTuple):
    """The events that a command causes in its own application, and in the one it names: all or none."""

    here: list[Event]
    there: list[Event]


Answer = list[Event] | Both | Refused
"""The events that a command causes, none where what was asked is so already, or why not."""


def own_events(answer: Answer) -> list[Event]:
    """The events in the command's own application; none of one that was refused."""
    match answer:
        case Refused():
            return []
        case Both(here=here):
            return here
        case _:
            return answer
