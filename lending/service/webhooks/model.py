"""What a webhook is, what a delivery is, and what can be wrong with a request about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from lending.service.requests import RequestFault
from lending.service.subscription import EventFilter


class State(StrEnum):
    """Whether a webhook is told of events."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Form(StrEnum):
    """How an event is written: as the feed has it, or as a CloudEvent."""

    EVENT = "event"
    CLOUD_EVENT = "cloud_event"


class Reason(StrEnum):
    """Why a webhook is not active: somebody asked for it; the receiver said that it is gone; the
    log lost events that it was told of; as many deliveries were given up as may be kept.
    """

    REQUESTED = "requested"
    GONE = "gone"
    HISTORY_REWOUND = "history_rewound"
    TOO_MANY_DEAD = "too_many_dead"


class Withheld(StrEnum):
    """Why an active webhook is told nothing for now: who answers for it is suspended, or may not read
    events any more; or neither is known, because the registry cannot be read.
    """

    PRINCIPAL_SUSPENDED = "principal_suspended"
    NOT_PERMITTED = "not_permitted"
    NOT_KNOWN = "not_known"


class Failure(StrEnum):
    """Why an attempt failed."""

    STATUS = "status"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    NAME_NOT_RESOLVED = "name_not_resolved"
    ADDRESS_REFUSED = "address_refused"


class DeliveryState(StrEnum):
    """Whether a delivery will be tried again, or was given up."""

    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt: the status that was answered, and why it failed if it did."""

    status: int | None
    failure: Failure | None

    @property
    def taken(self) -> bool:
        """Whether the receiver took the event."""
        return self.failure is None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more, ever (RFC 9110, section 15.5.11)."""
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a webhook was told: a position of a shard, and the epoch it was read in."""

    shard: int
    position: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What somebody asks for who registers a webhook."""

    url: str
    description: str | None
    wanted: EventFilter
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A registered webhook, how it stands, and since when its secrets sign and until when.

    `withheld` is set while it is active and yet told nothing.
    """

    webhook_id: UUID
    url: str
    description: str | None
    wanted: EventFilter
    form: Form
    created_by: str
    created_at: datetime
    resumed_by: str | None
    state: State
    reason: Reason | None
    withheld: Withheld | None
    state_since: datetime
    cursor: Cursor
    delivered_at: datetime | None
    lag_events: int
    waiting: int
    dead: int
    secrets: Sequence[tuple[datetime, datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event that a receiver has not taken."""

    shard: int
    position: int
    epoch: int
    application_id: UUID
    event_type: str
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    dead_at: datetime | None
    created_at: datetime

    @property
    def state(self) -> DeliveryState:
        """Whether it will be tried again."""
        return DeliveryState.WAITING if self.dead_at is None else DeliveryState.DEAD


class UnknownWebhook(RequestFault):
    """There is no such webhook."""


class UnknownDelivery(RequestFault):
    """The webhook has no such delivery, waiting or given up."""


class TooManyWebhooks(RequestFault):
    """As many webhooks are registered as there may be."""


class UrlRefused(RequestFault):
    """Nothing is sent to such an address."""
