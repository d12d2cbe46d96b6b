"""The endpoints of webhooks. Only who may manage them is answered anything about them, and only who
may read events besides has them sent.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from starlette.responses import Response

from lending.api.answers import Answer, no_content
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem, invalid_parameter
from lending.api.query import LIMIT, Query, choice
from lending.api.query import place as place_parameter
from lending.contract.bodies import Body
from lending.contract.positions import Place, position_text, read_place
from lending.contract.rendering import json_bytes
from lending.contract.schema_types import to_uuid
from lending.contract.webhooks import RegisterWebhook, RotateSecret, delivery, webhook
from lending.domain.authority import Permission
from lending.runtime import limits
from lending.service.subscription import EventFilter
from lending.service.webhooks.model import DeliveryState, Registration, Webhook
from lending.service.webhooks.registrations import Registrations

_LOG: Final = logging.getLogger(__name__)

WEBHOOKS: Final = "/webhooks"
NONE: Final = Query()
DELIVERIES: Final = Query(
    choice("state", DeliveryState, "Only those that wait to be sent again, or were given up."),
    place_parameter("after", "Where to go on: `next` of the page before."),
    LIMIT,
)
REGISTER: Final = Body(cast(Any, RegisterWebhook))
ROTATE: Final = Body(cast(Any, RotateSecret))
_BEGINNING: Final = Place(0, 0)


class WebhookEndpoints:
    """The endpoints of webhooks."""

    def __init__(self, registrations: Registrations) -> None:
        self._registrations = registrations

    async def register(self, request: Incoming) -> Response:
        """A new webhook, and its secret, shown this once."""
        _admit(request)
        request.require(Permission.READ_EVENTS)
        given: Any = REGISTER.read(await request.json_bytes(), {}).said
        wanted = EventFilter(
            given.application_id, frozenset(given.event_types), frozenset(given.stages)
        )
        found, secret = await self._registrations.register(
            Registration(
                url=given.url, description=given.description, wanted=wanted, form=given.form
            ),
            by=request.principal.name,
            after=None if given.after is None else read_place(given.after),
        )
        _done(request, "registered", found.webhook_id)
        located = (b"location", f"{WEBHOOKS}/{found.webhook_id}".encode("ascii"))
        return _shown_once(found, secret, 201, [located])

    async def list(self, request: Incoming) -> Response:
        """Every webhook."""
        _admit(request)
        items = [webhook(one) for one in await self._registrations.all()]
        return Answer(json_bytes({"items": items, "next": None}))

    async def one(self, request: Incoming) -> Response:
        """One webhook."""
        return _shown(await self._registrations.one(_admitted(request)))

    async def delete(self, request: Incoming) -> Response:
        """Nothing is sent any more, and what waited is forgotten."""
        webhook_id = _admitted(request)
        await self._registrations.delete(webhook_id)
        _done(request, "deleted", webhook_id)
        return no_content()

    async def rotate(self, request: Incoming) -> Response:
        """A new secret, shown this once."""
        webhook_id = _admitted(request)
        given: Any = ROTATE.read(await request.json_bytes(), {}).said
        found, secret = await self._registrations.rotate(webhook_id, given.overlap_seconds)
        _done(request, "given a new secret", webhook_id)
        return _shown_once(found, secret, 200)

    async def pause(self, request: Incoming) -> Response:
        """Send nothing until it is resumed."""
        webhook_id = _admitted(request)
        found = await self._registrations.pause(webhook_id)
        _done(request, "paused", webhook_id)
        return _shown(found)

    async def resume(self, request: Incoming) -> Response:
        """Go on; whoever asks for it answers for what is sent from now on."""
        webhook_id = _admitted(request)
        request.require(Permission.READ_EVENTS)
        found = await self._registrations.resume(webhook_id, by=request.principal.name)
        _done(request, "resumed", webhook_id)
        return _shown(found)

    async def deliveries(self, request: Incoming) -> Response:
        """What its receiver has not taken."""
        webhook_id = _admitted(request, DELIVERIES)
        asked = DELIVERIES.read(request.query)
        after: Place = asked.get("after", _BEGINNING)
        state = None if "state" not in asked else DeliveryState(asked["state"])
        limit = asked.get("limit", limits.PAGE_DEFAULT_ITEMS)
        page = await self._registrations.deliveries(
            webhook_id, state, after=(after.shard, after.position), limit=limit
        )
        last = page.deliveries[-1] if page.more else None
        return Answer(
            json_bytes(
                {
                    "items": [delivery(one) for one in page.deliveries],
                    "next": None if last is None else position_text(last.shard, last.position),
                }
            )
        )

    async def replay(self, request: Incoming) -> Response:
        """Send one event again now."""
        webhook_id = _admitted(request)
        try:
            place = read_place(request.in_path["position"])
        except ValueError as fault:
            raise invalid_parameter("position", str(fault)) from None
        found = await self._registrations.replay(webhook_id, place.shard, place.position)
        return Answer(json_bytes(delivery(found)))

    async def replay_dead(self, request: Incoming) -> Response:
        """Send what was given up again."""
        replayed = await self._registrations.replay_dead(_admitted(request))
        return Answer(json_bytes({"replayed": replayed}))


def _done(request: Incoming, what: str, webhook_id: UUID) -> None:
    """Leave in the log who did it: webhooks are no part of the record."""
    _LOG.info("webhook %s was %s by %s", webhook_id, what, request.principal.name)


def _admit(request: Incoming, query: Query = NONE) -> None:
    request.require(Permission.MANAGE_WEBHOOKS)
    query.read(request.query)


def _admitted(request: Incoming, query: Query = NONE) -> UUID:
    """The webhook that the path names, for who may manage it. Raises Problem."""
    _admit(request, query)
    try:
        return to_uuid(request.in_path["webhook_id"])
    except ValueError:
        raise Problem(
            Fault.INVALID_ID,
            more={"errors": [{"parameter": "webhook_id", "message": "must be a UUID"}]},
        ) from None


def _shown(found: Webhook) -> Answer:
    return Answer(json_bytes(webhook(found)))


def _shown_once(
    found: Webhook, secret: str, status: int, headers: list[tuple[bytes, bytes]] | None = None
) -> Answer:
    shown: Mapping[str, Any] = {**webhook(found), "secret": secret}
    return Answer(json_bytes(shown), status, headers or ())
