"""The routes of webhooks, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api import openapi
from lending.api.answer_schemas import (
    INSTANT,
    POSITION,
    TEXT,
    UUID_TEXT,
    WHOLE,
    Schema,
    array,
    or_null,
    page,
    reference,
)
from lending.api.routing import Endpoint
from lending.api.webhooks import DELIVERIES, REGISTER, ROTATE, WEBHOOKS, WebhookEndpoints
from lending.contract.bodies import Body
from lending.service.webhooks.model import DeliveryState, Failure, Form, Reason, State, Withheld
from lending.service.webhooks.registrations import Registrations

BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {WEBHOOKS: REGISTER, f"{WEBHOOKS}/{{webhook_id}}/secret": ROTATE}
)
"""The bodies that these routes take, by path."""

_ALL: Final = (403, *openapi.ALWAYS)
_OF_ONE: Final = (404, *_ALL)
_WITH_BODY: Final = (400, 408, 413, 415)
_ID: Final = openapi.in_path("webhook_id", {"type": "string", "format": "uuid"}, "The webhook.")
_PLACE: Final = openapi.in_path("position", POSITION, "The position of the event.")
_LOCATION: Final = {"Location": {"description": "The webhook.", "schema": dict(TEXT)}}


def routes(
    registrations: Registrations,
) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = WebhookEndpoints(registrations)
    one = WEBHOOKS + "/{webhook_id}"
    deliveries = one + "/deliveries"
    yield "POST", WEBHOOKS, to.register, {
        **_operation(
            "register_webhook",
            "Have events sent to an address",
            reference("WebhookWithSecret"),
            status=201,
            statuses=(404, 409, 410, *_WITH_BODY, *_ALL),
            headers=_LOCATION,
        ),
        "requestBody": openapi.request_body(REGISTER),
    }  # fmt: skip
    yield "GET", WEBHOOKS, to.list, _operation(
        "list_webhooks", "Every webhook", page("Webhook"), statuses=_ALL
    )  # fmt: skip
    yield "GET", one, to.one, _of_one("read_webhook", "One webhook", reference("Webhook"))
    yield "DELETE", one, to.delete, {
        **_of_one("delete_webhook", "Send it nothing any more", TEXT),
        "responses": {"204": {"description": "It is gone."}, **openapi.problems(_OF_ONE)},
    }  # fmt: skip
    yield "POST", one + "/secret", to.rotate, {
        **_operation(
            "rotate_webhook_secret",
            "Replace its secret",
            reference("WebhookWithSecret"),
            parameters=[_ID],
            statuses=(*_WITH_BODY, *_OF_ONE),
        ),
        "requestBody": openapi.request_body(ROTATE),
    }  # fmt: skip
    yield "POST", one + "/pause", to.pause, _of_one(
        "pause_webhook", "Send it nothing until it is resumed", reference("Webhook")
    )  # fmt: skip
    yield "POST", one + "/resume", to.resume, _of_one(
        "resume_webhook", "Go on from where it stands", reference("Webhook")
    )  # fmt: skip
    yield "GET", deliveries, to.deliveries, _operation(
        "list_webhook_deliveries",
        "What its receiver has not taken",
        page("WebhookDelivery"),
        parameters=[_ID, *openapi.in_query(DELIVERIES)],
        statuses=_OF_ONE,
    )  # fmt: skip
    yield "POST", deliveries + "/replay", to.replay_dead, _of_one(
        "replay_dead_webhook_deliveries",
        "Send what was given up again",
        {"type": "object", "properties": {"replayed": dict(WHOLE)}, "required": ["replayed"]},
    )  # fmt: skip
    yield "POST", deliveries + "/{position}/replay", to.replay, _operation(
        "replay_webhook_delivery",
        "Send one event again now",
        reference("WebhookDelivery"),
        parameters=[_ID, _PLACE],
        statuses=_OF_ONE,
    )  # fmt: skip


def _operation(
    name: str, summary: str, answer: Schema, *, status: int = 200, **more: Any
) -> dict[str, Any]:
    found = openapi.reading(name, summary, answer, tag="webhooks", **more)
    responses = found["responses"]
    return {**found, "responses": {str(status): responses.pop("200"), **responses}}


def _of_one(name: str, summary: str, answer: Schema) -> dict[str, Any]:
    return _operation(name, summary, answer, parameters=[_ID], statuses=_OF_ONE)


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    members: dict[str, Schema] = {
        "webhook_id": UUID_TEXT,
        "url": TEXT,
        "description": or_null(TEXT),
        "application_id": or_null(UUID_TEXT),
        "event_types": array(TEXT),
        "stages": array(TEXT),
        "form": {"type": "string", "enum": [*Form]},
        "created_by": TEXT,
        "created_at": INSTANT,
        "resumed_by": or_null(TEXT),
        "state": {"type": "string", "enum": [*State]},
        "reason": {"enum": [*Reason, None]},
        "state_since": INSTANT,
        "withheld": {"enum": [*Withheld, None]},
        "position": POSITION,
        "lag_events": WHOLE,
        "waiting": WHOLE,
        "dead": WHOLE,
        "delivered_at": or_null(INSTANT),
        "secrets": array(_object({"created_at": INSTANT, "expires_at": or_null(INSTANT)})),
    }
    shown_once = {**TEXT, "pattern": "^whsec_", "description": "Shown this once, never again."}
    delivery: dict[str, Schema] = {
        "position": POSITION,
        "application_id": UUID_TEXT,
        "event_type": TEXT,
        "state": {"type": "string", "enum": [*DeliveryState]},
        "attempts": WHOLE,
        "next_attempt_at": or_null(INSTANT),
        "last_attempt_at": or_null(INSTANT),
        "last_status": or_null(WHOLE),
        "last_error": {"enum": [*Failure, None]},
        "dead_at": or_null(INSTANT),
        "created_at": INSTANT,
    }
    return {
        "Webhook": _object(members),
        "WebhookWithSecret": _object({**members, "secret": shown_once}),
        "WebhookDelivery": _object(delivery),
    }


def _object(members: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in members.items()},
        "required": list(members),
    }
