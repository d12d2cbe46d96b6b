"""What a command's issuer says and gets: the same for HTTP and every other way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from lending.domain.application.commands import MOVES_MONEY, Command, command_name
from lending.domain.application.events import Event
from lending.domain.application.refusals import Refused
from lending.domain.application.state import Application
from lending.domain.authority import LOCAL, Principal
from lending.ledger.leaf import Envelope
from lending.runtime import limits


class CommandRequest(NamedTuple):
    """A command and all that was said with it.

    `application_id` is None for an apply. `sent` are the names of the fields that were given, for
    the fingerprint, together with `method` and `path`. `if_match` are the versions one of which the
    stream must have. `minimal` asks for the outcome without what may be issued next.
    """

    command: Command
    application_id: UUID | None
    method: str
    path: str
    sent: Sequence[str]
    correlation_id: str
    principal: Principal = LOCAL
    key: str | None = None
    if_match: frozenset[int] | None = None
    effective_at: datetime | None = None
    on_behalf_of: str | None = None
    agent_build: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    dry_run: bool = False
    minimal: bool = False

    def backdated(self, now: datetime) -> bool:
        """Whether it counts from an instant that is past on every clock, and not from about now."""
        age = timedelta(seconds=limits.HISTORY_AGE_MIN_SECONDS)
        return self.effective_at is not None and self.effective_at <= now - age


@dataclass(frozen=True, slots=True)
class OpenApplication:
    """An application that is under way."""

    application_id: UUID
    status: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a dry run was of: the application, None for an apply, and its state before; the day from
    which each event would count.
    """

    application_id: UUID | None
    before: Application
    effective_on: Sequence[date]


class CommandAnswer(NamedTuple):
    """What became of a command. `events` pairs each event with its envelope; a dry run has no
    envelopes.

    `position` is the last position of the application, None where nothing was stored. `refused`
    says why the command did not hold; then there are no events. `others` are other open
    applications of the same applicant, for an apply, as the read model has them when it is
    answered.
    """

    application_id: UUID | None
    state: Application
    version: int
    position: int | None
    allowed_commands: Sequence[str]
    events: Sequence[tuple[Envelope | None, Event]] = ()
    refused: Refused | None = None
    replayed: bool = False
    rehearsal: Rehearsal | None = None
    others: Sequence[OpenApplication] = ()


class RequestFault(Exception):
    """The request cannot be answered as it stands; each kind says what to do."""


class UnknownApplication(RequestFault):
    """There is no application of this id. Check the id, or apply."""

    def __init__(self, application_id: UUID) -> None:
        super().__init__(f"there is no application {application_id}")


class PrincipalSuspended(RequestFault):
    """Who asks is suspended, and may not even read."""


class VersionMismatch(RequestFault):
    """The application has another version than If-Match names. Read it and decide again."""

    def __init__(self, current_version: int) -> None:
        super().__init__(f"the application is at version {current_version}")
        self.current_version = current_version


class KeyReused(RequestFault):
    """The idempotency key was used for another request. Use a new key for a new command."""


class KeyRequired(RequestFault):
    """A command that moves money needs an idempotency key, so that it can be repeated safely."""


class Contended(RequestFault):
    """Other processes kept changing the application. Nothing was recorded; repeat the command."""

    def __init__(self, current_version: int) -> None:
        super().__init__(f"the application kept changing; it is now at version {current_version}")
        self.current_version = current_version


class NotAttempted(RequestFault):
    """Another command of the request, on which this one depends, did not hold. Nothing was recorded.

    It is worth sending again if that one is.
    """

    def __init__(self, why: str, *, retryable: bool) -> None:
        super().__init__(why)
        self.retryable = retryable


class EventTooLarge(RequestFault):
    """What the command would record is larger than an event may be. Send less text, or documents by
    digest.
    """


def require_key(request: CommandRequest) -> None:
    """Raise KeyRequired where a command that moves money comes without one, unless rehearsed."""
    moves = isinstance(request.command, MOVES_MONEY) and not request.dry_run
    if moves and request.key is None:
        raise KeyRequired(
            f"{command_name(type(request.command))} moves money: send an Idempotency-Key"
        )
