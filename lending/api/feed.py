"""The feed: every event of a shard in order, by pages or as a stream of server-sent events.

Positions are dense, so whoever reads them can prove that nothing was missed. A slow reader holds
one page at a time. What belongs here: the two endpoints, and what may be asked of them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from lending.api import negotiation
from lending.api.answers import JSON, Answer, Header
from lending.api.headers import LAST_EVENT_ID, Headers, wait_seconds
from lending.api.incoming import Incoming
from lending.api.problems import Fault, invalid_header
from lending.api.query import LIMIT, Query, choices, identifier
from lending.api.query import place as place_parameter
from lending.api.streams import WAITING, Form, Reader, Stream, Streams, leaving
from lending.contract import cloud_events
from lending.contract.positions import Place, cursor_text, read_place
from lending.contract.rendering import json_bytes
from lending.domain.application.events import EVENTS
from lending.domain.application.state import Stage
from lending.domain.authority import Permission
from lending.domain.identifiers import is_application_id, shard_of
from lending.domain.registry import REGISTRY_EVENTS
from lending.runtime import limits
from lending.runtime.clock import loop_seconds
from lending.service.access_log import What
from lending.service.following import FeedLog, Follower
from lending.service.history import UnknownShard
from lending.service.subscription import EventFilter
from lending.service.tail import Batch, Entry, Tail

EVENT_TYPES: Final[Sequence[str]] = [kind.stored_as for kind in (*EVENTS, *REGISTRY_EVENTS)]
_AFTER: Final = place_parameter("after", "Only events behind this position.")
_FILTERS: Final = (
    identifier("application_id", "Only events of this application.", "must be a UUID"),
    choices("event_type", EVENT_TYPES, "Only events of these types."),
    choices(
        "stage", [*Stage], "Only events after which the application is in one of these stages."
    ),
)
PAGE: Final = Query(_AFTER, LIMIT, *_FILTERS)
STREAM: Final = Query(_AFTER, *_FILTERS)

PLAIN: Final = JSON.decode()
EVENT_STREAM: Final = "text/event-stream"
PAGES_AS: Final = (PLAIN, cloud_events.BATCH_MEDIA_TYPE)
STREAMS_AS: Final = (EVENT_STREAM, cloud_events.MEDIA_TYPE)
POSITION_HEADER: Final = b"lending-position"


class Feed:
    """The endpoints of the feed."""

    def __init__(
        self, log: FeedLog, tails: Mapping[int, Tail], streams: Streams, source: str
    ) -> None:
        """`source` is that of the events as CloudEvents."""
        self._log = log
        self._tails = tails
        self._streams = streams
        self._source = source

    async def page(self, request: Incoming) -> Response:
        """A page of events; with `Prefer: wait=N` it waits for the first of them."""
        media_type = negotiation.accepted(request.named, PAGES_AS)
        asked = PAGE.read(request.query)
        request.require(Permission.READ_EVENTS)
        wanted = _filter(asked)
        place = _place(asked, wanted)
        limit = asked.get("limit", limits.PAGE_DEFAULT_ITEMS)
        batch = await self._log.page(*place, wanted=wanted, limit=limit)
        seconds = wait_seconds(request.named)
        if seconds and not batch.entries and not batch.more:
            tail = self._tail(place.shard)
            follower = Follower(self._log, tail, wanted, batch.position, batch.epoch)
            batch = await self._next(request, follower, limit, seconds)
        applications = {entry.envelope.application_id for entry in batch.entries}
        await self._streams.access.heed(request.asker, What.FEED, applications)
        if media_type == PLAIN:
            return _paged(place.shard, batch)
        return self._as_cloud_events(request.query, place.shard, batch)

    async def _next(
        self, request: Incoming, follower: Follower, limit: int, seconds: float
    ) -> Batch:
        """What comes next, once there is something, or its time is over."""
        wake, stopping = follower.wake, self._streams.stopping
        reader = Reader(request, wake)
        leave = self._streams.admit(request, WAITING)
        alarm = asyncio.get_running_loop().call_later(seconds, wake.set)
        deadline = alarm.when()
        try:
            with request.waiting(), self._streams.looked_after(reader), follower:
                async with leaving(request.receive, wake) as gone:
                    while True:
                        wake.clear()
                        batch = await follower.next(limit)
                        over = loop_seconds() >= deadline or stopping.is_set() or gone.done()
                        if batch.entries or over or not reader.admitted:
                            return batch
                        if not batch.more:
                            await wake.wait()
        finally:
            alarm.cancel()
            leave()

    async def stream(self, request: Incoming) -> Response:
        """The events behind a position, and each further one as it is recorded."""
        as_cloud_events = negotiation.named(request.named, cloud_events.MEDIA_TYPE)
        if not as_cloud_events:
            negotiation.accepted(request.named, STREAMS_AS)
        asked = STREAM.read(request.query)
        request.require(Permission.READ_EVENTS)
        wanted = _filter(asked)
        place = _place(asked, wanted)
        if LAST_EVENT_ID in request.named:
            place = _last_event(request.named)
        epoch = await self._log.require(*place)
        follower = Follower(self._log, self._tail(place.shard), wanted, place.position, epoch)
        form: Form = self._cloud_event if as_cloud_events else _json
        return Stream(self._streams, request, follower, form, shared=wanted.everything)

    def _tail(self, shard: int) -> Tail:
        tail = self._tails.get(shard)
        if tail is None:
            raise UnknownShard(f"there is no shard {shard}")
        return tail

    def _cloud_event(self, entry: Entry) -> bytes:
        return json_bytes(cloud_events.cloud_event(entry.envelope, entry.body, self._source))

    def _as_cloud_events(self, query: bytes, shard: int, batch: Batch) -> Answer:
        """A batch has no place for the cursor: it stands in headers."""
        cursor = cursor_text(shard, batch.position, batch.epoch)
        headers: list[Header] = [(POSITION_HEADER, cursor.encode())]
        if batch.more:
            headers.append((b"link", _link(query, cursor)))
        body = b"[" + b",".join([self._cloud_event(entry) for entry in batch.entries]) + b"]"
        return Answer(body, 200, headers, cloud_events.BATCH_MEDIA_TYPE.encode())


def _filter(asked: Mapping[str, Any]) -> EventFilter:
    return EventFilter(
        application_id=asked.get("application_id"),
        event_types=asked.get("event_type", frozenset()),
        stages=frozenset(map(Stage, asked.get("stage", ()))),
    )


def _place(asked: Mapping[str, Any], wanted: EventFilter) -> Place:
    """Where to begin: as asked, else at the beginning of the application's shard, else of the first."""
    of = wanted.application_id
    shard = 0 if of is None or not is_application_id(of) else shard_of(of)
    place: Place = asked.get("after", Place(shard, 0))
    return place


def _paged(shard: int, batch: Batch) -> Answer:
    cursor = json_bytes(cursor_text(shard, batch.position, batch.epoch))
    items = b",".join([entry.body for entry in batch.entries])
    following = cursor if batch.more else b"null"
    return Answer(b'{"items":[%b],"next":%b,"position":%b}' % (items, following, cursor))


def _link(query: bytes, cursor: str) -> bytes:
    """The address of the next page (RFC 8288): the same question, further on."""
    asked = [(name, value) for name, value in parse_qsl(query.decode("ascii")) if name != "after"]
    return b'<?%b>; rel="next"' % urlencode([*asked, ("after", cursor)]).encode("ascii")


def _json(entry: Entry) -> bytes:
    return entry.body


def _last_event(headers: Headers) -> Place:
    try:
        return read_place(headers[LAST_EVENT_ID].decode("ascii"))
    except ValueError:
        raise invalid_header(
            Fault.LAST_EVENT_ID_INVALID, "Last-Event-ID", "must be the id of an event"
        ) from None
