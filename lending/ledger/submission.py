"""What goes into the append lane and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from lending.ledger.leaf import Envelope, Provenance
from lending.ledger.sealing import WrappedKey
from lending.runtime.errors import OperatorError


class Verdict(StrEnum):
    """How a command was answered."""

    ACCEPTED = "accepted"
    ALREADY_SO = "already_so"
    REFUSED = "refused"


class EncodedEvent(NamedTuple):
    """An event as the codec wrote it: its stored name and version, and the canonical bytes of its
    data. `effective` is when it counts from, and the date of that, where that is not its command's.
    """

    event_type: str
    schema_version: int
    data: bytes
    effective: tuple[datetime, date] | None = None


class StreamAppend(NamedTuple):
    """Events for one stream, and the version the stream had when they were decided."""

    application_id: UUID
    expected_version: int
    events: Sequence[EncodedEvent] = ()
    new_keys: Sequence[WrappedKey] = ()


class Submission(NamedTuple):
    """A command with its answer, to be committed whole or not at all.

    `streams` are all of the lane's shard; the first is the one the answer is about. `effective_at`
    and `effective_on` are as the caller gave them, else None: then the instant of recording counts.
    `target` is the scope of `key`: the application, or `NO_TARGET` for an apply. `last_position` is
    the head of the first stream as it was decided on.
    """

    principal: str
    target: UUID
    key: str | None
    fingerprint: bytes
    command: str
    verdict: Verdict
    streams: Sequence[StreamAppend]
    provenance: Provenance
    refusal: str | None = None
    detail: str | None = None
    last_position: int | None = None
    effective_at: datetime | None = None
    effective_on: date | None = None

    @property
    def command_id(self) -> UUID:
        """The command's id."""
        return self.provenance.command_id

    @property
    def scoped_key(self) -> tuple[str, UUID, str] | None:
        """The idempotency key with its scope, if there is one."""
        return None if self.key is None else (self.principal, self.target, self.key)

    @property
    def leaves_a_row(self) -> bool:
        """Whether the answer itself is stored: it has a key, or it is a refusal."""
        return self.key is not None or self.verdict is Verdict.REFUSED


class Committed(NamedTuple):
    """The command and its answer are on record. `version` and `last_position` are the first
    stream's afterwards; `envelopes` are those of its events.
    """

    version: int
    first_position: int | None
    last_position: int | None
    recorded_at: datetime
    effective_at: datetime
    envelopes: Sequence[Envelope] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A stream has moved since the command was decided: decide again."""

    application_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A row of `command_keys`: how a command was answered."""

    command_id: UUID
    principal: str
    target: UUID
    key: str | None
    fingerprint: bytes
    command: str
    application_id: UUID
    outcome: Verdict
    refusal: str | None
    detail: str | None
    version: int
    first_position: int | None
    last_position: int | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class KeyUsed:
    """The key was used before; the answer then given is on record. Whether it was the same request
    is for the caller.
    """

    answer: StoredAnswer


Outcome = Committed | Conflict | KeyUsed


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """Another command of its group was not placed, so this one was not either. Nothing of it is on
    record.
    """


@dataclass(frozen=True, slots=True)
class Group:
    """Commands of one principal that go into one transaction, in their order, and are never parted.

    Each is decided on the state to which those before it lead: behind one that is not placed none
    is. With `all_or_none` those before it are not placed either.
    """

    submissions: Sequence[Submission]
    all_or_none: bool = False

    @property
    def principal(self) -> str:
        """Whose commands they are."""
        return self.submissions[0].principal

    @property
    def event_count(self) -> int:
        """How many events they append."""
        return sum(len(stream.events) for one in self.submissions for stream in one.streams)


class LaneFault(OperatorError):
    """The lane could not take the command. The docstring of each kind says what is known and what
    to do.
    """


class QueueFull(LaneFault):
    """Too many commands wait. Nothing was recorded; try again after a moment."""


class LaneUnavailable(LaneFault):
    """The database does not answer. Nothing was recorded; try again after a moment."""


class OutcomeUnknown(LaneFault):
    """The reply to a commit was lost and could not be found out. Repeat the command with the same
    key.
    """


class HistoryRewound(LaneFault):
    """The database is not the one the log was on: its tail may be lost. An operator opens a new
    epoch.
    """


class ClockFault(LaneFault):
    """The clocks of service and database differ too much for times to be trusted. Nothing was
    recorded.
    """


class Unstorable(LaneFault):
    """PostgreSQL refused this one command's rows. Nothing of it was recorded; repeating it will not
    help.
    """
