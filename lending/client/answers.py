"""What the ledger answers, as values. Members that are not named here are in `said` or `data`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

Item = TypeVar("Item")
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command that holds now, and how it is issued; what it leaves open stands in `path` in braces."""

    command: str
    method: str
    path: str
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of the record. What was only rehearsed has neither position nor ids.

    Events of the registry have no application.
    """

    shard: int | None
    position: int | None
    application_id: UUID | None
    version: int | None
    event_type: str
    schema_version: int
    data: Said
    actor: str | None
    actor_kind: str | None
    agent_build: str | None
    on_behalf_of: str | None
    effective_at: datetime | None
    effective_on: date | None
    recorded_at: datetime | None
    epoch: int | None
    command_id: str | None
    correlation_id: str | None
    causation_id: str | None
    cursor: str | None = None
    """Where to go on behind it; only in a followed feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What became of a command that holds.

    `already_so`: it caused no event. `replayed`: the answer to an earlier request under the same
    key. A minimal answer has neither events nor next steps.
    """

    application_id: UUID | None
    status: str
    version: int
    position: str | None
    events: Sequence[Event]
    allowed_commands: Sequence[NextStep]
    correlation_id: str | None
    replayed: bool
    already_so: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application at a version; `said` is all that the ledger says of it."""

    application_id: UUID
    status: str
    stage: str | None
    version: int
    position: str
    recorded_at: datetime
    applicant_id: str
    amount: Decimal
    currency: str
    reference: str | None
    allowed_commands: Sequence[NextStep]
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRow:
    """A row of the read model of applications; `columns` are all of it."""

    application_id: UUID
    status: str
    reference: str | None
    columns: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What an application waits for, and of which role."""

    application_id: UUID
    role: str
    command: str
    version: int
    waiting_since: datetime
    claim_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task that is ours until `expires_at`."""

    claim_id: UUID
    application_id: UUID
    role: str
    command: str
    version: int
    waiting_since: datetime
    claimed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """A page of a list; `next` is where the next begins, None at the end."""

    items: Sequence[Item]
    next: str | None
    position: str | None


def next_steps(said: Any) -> Sequence[NextStep]:
    """The commands that hold, and how each is issued."""
    return tuple(
        NextStep(one["command"], one["method"], one["path"], one["schema"]) for one in said or ()
    )


def event(said: Said, cursor: str | None = None) -> Event:
    """An event."""
    return Event(
        shard=said.get("shard"),
        position=said.get("position"),
        application_id=_maybe(UUID, said.get("application_id")),
        version=said.get("version"),
        event_type=said["event_type"],
        schema_version=said["schema_version"],
        data=said["data"],
        actor=said.get("actor"),
        actor_kind=said.get("actor_kind"),
        agent_build=said.get("agent_build"),
        on_behalf_of=said.get("on_behalf_of"),
        effective_at=_maybe(datetime.fromisoformat, said.get("effective_at")),
        effective_on=_maybe(date.fromisoformat, said.get("effective_on")),
        recorded_at=_maybe(datetime.fromisoformat, said.get("recorded_at")),
        epoch=said.get("epoch"),
        command_id=said.get("command_id"),
        correlation_id=said.get("correlation_id"),
        causation_id=said.get("causation_id"),
        cursor=cursor,
    )


def command_answer(said: Said, headers: Mapping[str, str]) -> CommandAnswer:
    """What became of a command."""
    events = tuple(map(event, said.get("events", ())))
    return CommandAnswer(
        application_id=_maybe(UUID, said["application_id"]),
        status=said["status"],
        version=said["version"],
        position=said["position"],
        events=events,
        allowed_commands=next_steps(said.get("allowed_commands")),
        correlation_id=headers.get("correlation-id"),
        replayed=headers.get("idempotency-replayed") == "true",
        already_so=said["outcome"] == "already_so" if "outcome" in said else not events,
    )


def application(said: Said) -> Application:
    """An application."""
    return Application(
        application_id=UUID(said["application_id"]),
        status=said["status"],
        stage=said["stage"],
        version=said["version"],
        position=said["position"],
        recorded_at=datetime.fromisoformat(said["recorded_at"]),
        applicant_id=said["applicant_id"],
        amount=Decimal(said["amount"]),
        currency=said["currency"],
        reference=said["reference"],
        allowed_commands=next_steps(said.get("allowed_commands")),
        said=said,
    )


def row(said: Said) -> ApplicationRow:
    """A row of the read model."""
    return ApplicationRow(
        application_id=UUID(said["application_id"]),
        status=said["status"],
        reference=said.get("reference"),
        columns=said,
    )


def task(said: Said) -> Task:
    """A task that waits."""
    return Task(
        application_id=UUID(said["application_id"]),
        role=said["role"],
        command=said["command"],
        version=said["version"],
        waiting_since=datetime.fromisoformat(said["waiting_since"]),
        claim_id=_maybe(UUID, said["claim_id"]),
    )


def claim(said: Said) -> Claim:
    """A claim."""
    return Claim(
        claim_id=UUID(said["claim_id"]),
        application_id=UUID(said["application_id"]),
        role=said["role"],
        command=said["command"],
        version=said["version"],
        waiting_since=datetime.fromisoformat(said["waiting_since"]),
        claimed_at=datetime.fromisoformat(said["claimed_at"]),
        expires_at=datetime.fromisoformat(said["expires_at"]),
    )


def page(said: Said, read: Callable[[Said], Item]) -> Page[Item]:
    """A page of what `read` reads."""
    return Page(
        items=tuple(map(read, said["items"])), next=said.get("next"), position=said.get("position")
    )


def _maybe(read: Callable[[Any], Item], value: Any) -> Item | None:
    return None if value is None else read(value)
