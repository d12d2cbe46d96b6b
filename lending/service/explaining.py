"""One application's history as the explanation of its decision takes it: event by event, keeping what
each decision was made on.

Nothing here reads or evaluates; what is asked again is in rerunning.py.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from lending.domain.application.commands import WithdrawnBy
from lending.domain.application.events import (
    ClosedUnfunded,
    Decided,
    Event,
    Overridden,
    Scored,
    Withdrawn,
)
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.state import INITIAL, Application
from lending.ledger.leaf import Envelope
from lending.policy import limits as policy_limits
from lending.policy.origins import Origins
from lending.runtime import limits


class Stands(StrEnum):
    """Where an application stands, as far as deciding goes."""

    OPEN = "open"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    CLOSED_UNFUNDED = "closed_unfunded"
    TAKEN_OVER = "taken_over"


class MadeBy(StrEnum):
    """How a decision came about."""

    POLICY = "policy"
    PRINCIPAL = "principal"
    OVERRIDE = "override"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class Source:
    """An event that something came from: where it stands, what it is, when it was recorded."""

    shard: int
    position: int
    version: int
    event_type: str
    recorded_at: datetime
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A decision, the application as it stood before it with its latest score, and the events that
    each fact came from.
    """

    envelope: Envelope
    event: Decided | Overridden
    before: Application
    scored: Scored | None
    origins: Mapping[str, tuple[Source, ...]]

    @property
    def by(self) -> MadeBy:
        """How it came about."""
        return made_by(self.event, self._age)

    @property
    def backdated(self) -> bool:
        """Whether it counts from an instant that was past already when it was recorded."""
        return old(self._age)

    @property
    def _age(self) -> timedelta:
        return self.envelope.recorded_at - self.envelope.effective_at


def made_by(event: Decided | Overridden, age: timedelta) -> MadeBy:
    """How a decision came about that was recorded so long after the instant from which it counts:
    one that is old by then was made elsewhere.
    """
    if isinstance(event, Overridden):
        return MadeBy.OVERRIDE
    if event.decider.startswith("policy:"):
        return MadeBy.POLICY
    return MadeBy.IMPORTED if old(age) else MadeBy.PRINCIPAL


def old(age: timedelta) -> bool:
    """Whether what was recorded so long after the instant from which it counts is history by then."""
    return age >= timedelta(seconds=limits.HISTORY_AGE_MIN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What there is to say of an application's decision, from the record alone.

    `decided_at_versions` are those of its latest decisions and overrides; `made` is the last of them.
    `last` is its last event that was taken, and `ended` the one by which it ended without a loan.
    """

    application_id: UUID
    state: Application
    last: Source
    made: Made | None
    decided_at_versions: tuple[int, ...]
    ended: tuple[Envelope, Withdrawn | ClosedUnfunded] | None

    @property
    def stands(self) -> Stands:
        """Where it stands: its end before its decision."""
        if self.state.ending is not None:
            by_somebody = isinstance(self.state.ending.kind, WithdrawnBy)
            return Stands.WITHDRAWN if by_somebody else Stands.CLOSED_UNFUNDED
        if self.state.decided:
            return Stands.DECIDED
        return Stands.OPEN if self.state.loan is None else Stands.TAKEN_OVER


@dataclass(slots=True)
class Accounting:
    """Takes the events of one application in order; `account` is what comes of them."""

    state: Application = INITIAL
    _last: Source | None = None
    _application_id: UUID | None = None
    _made: Made | None = None
    _scored: Scored | None = None
    _ended: tuple[Envelope, Withdrawn | ClosedUnfunded] | None = None
    _versions: deque[int] = field(
        default_factory=lambda: deque(maxlen=policy_limits.EXPLAINED_DECISIONS_MAX)
    )
    _origins: Origins = field(default_factory=Origins)
    _sources: dict[int, Source] = field(default_factory=dict)

    def take(self, envelope: Envelope, event: Event) -> None:
        """Take the next event."""
        source = source_of(envelope)
        if isinstance(event, Decided | Overridden):
            self._decided(envelope, event)
        elif isinstance(event, Withdrawn | ClosedUnfunded):
            self._ended = envelope, event
        elif isinstance(event, Scored):
            self._scored = event
        self.state = evolve(self.state, event, happening(envelope))
        self._last, self._application_id = source, envelope.application_id
        if self._origins.take(event, self.state, envelope.version):
            self._sources[envelope.version] = source

    @property
    def account(self) -> Account:
        """What comes of the events that were taken. Raises LookupError where there was none."""
        if self._last is None or self._application_id is None:
            raise LookupError("nothing was taken")
        return Account(
            application_id=self._application_id,
            state=self.state,
            last=self._last,
            made=self._made,
            decided_at_versions=tuple(self._versions),
            ended=self._ended,
        )

    def _decided(self, envelope: Envelope, event: Decided | Overridden) -> None:
        self._made = Made(
            envelope=envelope,
            event=event,
            before=self.state,
            scored=self._scored,
            origins=self._so_far(),
        )
        self._versions.append(envelope.version)

    def _so_far(self) -> dict[str, tuple[Source, ...]]:
        return {
            name: tuple(self._sources[version] for version in versions)
            for name, versions in self._origins.versions.items()
        }


def source_of(envelope: Envelope) -> Source:
    """An event as what something came from."""
    return Source(
        envelope.shard,
        envelope.position,
        envelope.version,
        envelope.event_type,
        envelope.recorded_at,
        envelope.effective_at,
    )


def happening(envelope: Envelope) -> Occurrence:
    """What the fold needs of an envelope."""
    by = envelope.provenance
    return Occurrence(
        envelope.version, envelope.effective_at, envelope.effective_on, by.actor, by.on_behalf_of
    )
