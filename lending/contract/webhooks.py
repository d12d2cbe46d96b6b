"""Webhooks as callers see them: what registering one takes, and how they and deliveries read."""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from annotated_types import Ge, Le, MaxLen, MinLen

from lending.contract import positions
from lending.contract.positions import cursor_text, position_text
from lending.domain.application.events import EVENTS
from lending.domain.application.state import Stage
from lending.domain.fields import Example, Pattern
from lending.domain.registry import REGISTRY_EVENTS
from lending.runtime import limits
from lending.service.webhooks.model import Delivery, Form, Webhook

EVENT_TYPES: Final = tuple(event.stored_as for event in (*EVENTS, *REGISTRY_EVENTS))

_LABEL: Final = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = rf"(({_LABEL}\.)*{_LABEL}|\[[0-9A-Fa-f:.]{{2,45}}\])"
URL_PATTERN: Final = rf'^https?://{_HOST}(:[0-9]{{1,5}})?(/[!"$-~]*)?$'
"""A URL with neither user nor fragment, its name in ASCII."""

Url = Annotated[
    str,
    Pattern(URL_PATTERN),
    MinLen(1),
    MaxLen(limits.WEBHOOK_URL_MAX_CHARACTERS),
    Example("https://example.com/lending/events"),
]
EventType = Annotated[str, Pattern(f"^({'|'.join(EVENT_TYPES)})$"), Example("decided")]
Place = Annotated[str, Pattern(positions.PATTERN), MaxLen(32), Example("0:1234@1")]
Description = Annotated[str, Pattern(r"^[^\x00-\x1f\x7f]+$"), MinLen(1), MaxLen(200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWebhook:
    """Have events sent to an address. Each filter that is given leaves events out.

    `stages` are those the application may be in after the event. `form` says how an event is
    written: as the feed has it, or as a CloudEvent. `after` is a cursor of the feed: events behind
    it are sent; without it, those recorded from now on.
    """

    url: Url
    description: Description | None = None
    application_id: UUID | None = None
    event_types: Annotated[tuple[EventType, ...], MaxLen(100)] = ()
    stages: Annotated[tuple[Stage, ...], MaxLen(20)] = ()
    form: Form = Form.EVENT
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSecret:
    """Replace the secret. For `overlap_seconds` the old one signs too, beside the new one."""

    overlap_seconds: Annotated[
        int, Ge(0), Le(limits.WEBHOOK_OVERLAP_MAX_SECONDS), Example(86_400)
    ] = limits.WEBHOOK_OVERLAP_DEFAULT_SECONDS


def webhook(found: Webhook) -> dict[str, Any]:
    """A webhook. Its secrets are shown by their times only."""
    return {
        "webhook_id": found.webhook_id,
        "url": found.url,
        "description": found.description,
        "application_id": found.wanted.application_id,
        "event_types": sorted(found.wanted.event_types),
        "stages": sorted(stage.value for stage in found.wanted.stages),
        "form": found.form.value,
        "created_by": found.created_by,
        "created_at": found.created_at,
        "resumed_by": found.resumed_by,
        "state": found.state.value,
        "reason": None if found.reason is None else found.reason.value,
        "state_since": found.state_since,
        "withheld": None if found.withheld is None else found.withheld.value,
        "position": cursor_text(found.cursor.shard, found.cursor.position, found.cursor.epoch),
        "lag_events": found.lag_events,
        "waiting": found.waiting,
        "dead": found.dead,
        "delivered_at": found.delivered_at,
        "secrets": [
            {"created_at": created_at, "expires_at": expires_at}
            for created_at, expires_at in found.secrets
        ],
    }


def delivery(found: Delivery) -> dict[str, Any]:
    """An event that a receiver has not taken."""
    return {
        "position": position_text(found.shard, found.position),
        "application_id": found.application_id,
        "event_type": found.event_type,
        "state": found.state.value,
        "attempts": found.attempts,
        "next_attempt_at": found.next_attempt_at,
        "last_attempt_at": found.last_attempt_at,
        "last_status": found.last_status,
        "last_error": found.last_error,
        "dead_at": found.dead_at,
        "created_at": found.created_at,
    }
