"""The feed: every event of a shard in order, by pages or as a stream of server-sent events.

Positions are dense, so whoever reads them can prove that nothing was missed. A slow reader holds
one page at a time: the log is read on demand.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lending.api.answers import Answer
from lending.api.headers import LAST_EVENT_ID, wait_seconds
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem, invalid_header
from lending.api.query import LIMIT, Query
from lending.api.query import place as place_parameter
from lending.api.translation import RETRY_AFTER, problem_of, unauthenticated
from lending.contract.positions import Place, cursor_text, read_place
from lending.contract.rendering import event, json_bytes
from lending.domain.authority import Permission
from lending.ledger.growth import Growth
from lending.runtime import limits
from lending.service.history import FeedPage, History

_LOG: Final = logging.getLogger(__name__)
_AFTER: Final = place_parameter("after", "Only events behind this position.")
PAGE: Final = Query(_AFTER, LIMIT)
STREAM: Final = Query(_AFTER)
_BEGINNING: Final = Place(0, 0)
_HEARTBEAT: Final = b": still here\n\n"
_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)


class Feed:
    """The endpoints of the feed. `stopping` is set when the service is told to stop."""

    def __init__(self, history: History, growth: Growth, stopping: asyncio.Event) -> None:
        self._history = history
        self._growth = growth
        self._stopping = stopping
        self._streams = 0

    async def page(self, request: Incoming) -> Response:
        """A page of events; with `Prefer: wait=N` it waits for the first of them."""
        asked = PAGE.read(request.query)
        request.require(Permission.READ_EVENTS)
        place: Place = asked.get("after", _BEGINNING)
        limit = asked.get("limit", limits.PAGE_DEFAULT_ITEMS)
        page = await self._read(place, limit)
        deadline = _now() + wait_seconds(request.named)
        while not page.events and _now() < deadline and not self._stopping.is_set():
            await self._grown(place, deadline)
            page = await self._read(place, limit)
        cursor = cursor_text(*_behind(place, page))
        return Answer(
            json_bytes(
                {
                    "items": [event(*pair) for pair in page.events],
                    "next": cursor if page.more else None,
                    "position": cursor,
                }
            )
        )

    async def stream(self, request: Incoming) -> Response:
        """The events behind a position, and each further one as it is recorded."""
        asked = STREAM.read(request.query)
        request.require(Permission.READ_EVENTS)
        place: Place = asked.get("after", _BEGINNING)
        if LAST_EVENT_ID in request.named:
            place = _last_event(request.named)
        if self._streams >= limits.STREAMS_MAX:
            raise Problem(Fault.OVERLOADED, headers=[RETRY_AFTER])
        first = await self._read(place, limits.PAGE_DEFAULT_ITEMS)
        return _Stream(self, place, first, request.still_admitted)

    async def follow(
        self,
        place: Place,
        first: FeedPage,
        send: Send,
        gone: "asyncio.Task[None]",
        admitted: Callable[[], bool],
    ) -> None:
        """Send page after page until the reader is `gone`, or not `admitted` any more, or the
        service stops.
        """
        self._streams += 1
        try:
            page, silent_since = first, _now()
            while not gone.done() and not self._stopping.is_set():
                if not admitted():
                    raise unauthenticated()
                if page.events:
                    await _send(send, b"".join(_sent(*pair, page.epoch) for pair in page.events))
                    place, silent_since = Place(*_behind(place, page)), _now()
                if not page.more:
                    await self._grown(
                        place, silent_since + limits.HEARTBEAT_SECONDS, gone, admitted
                    )
                    if _now() - silent_since >= limits.HEARTBEAT_SECONDS:
                        await _send(send, _HEARTBEAT)
                        silent_since = _now()
                page = await self._read(place, limits.PAGE_DEFAULT_ITEMS)
        finally:
            self._streams -= 1

    async def _read(self, place: Place, limit: int) -> FeedPage:
        return await self._history.feed(place.shard, place.position, limit, epoch=place.epoch)

    async def _grown(
        self,
        place: Place,
        deadline: float,
        gone: "asyncio.Task[None] | None" = None,
        admitted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Return when the log has grown, or it is time to look, or to end."""
        until = min(deadline, _now() + limits.FEED_POLL_SECONDS)
        while (left := until - _now()) > 0 and not self._growth.beyond(place.shard, place.position):
            left = min(left, limits.ADMISSION_CHECK_SECONDS)
            growing = self._growth.wait(place.shard, place.position, left)
            waits = [asyncio.ensure_future(growing), asyncio.ensure_future(self._stopping.wait())]
            ends = [*waits, gone] if gone is not None else waits
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if self._stopping.is_set() or (gone is not None and gone.done()) or not admitted():
                return


class _Stream(Response):
    """A stream under way. What goes wrong in it is sent as an event `problem`, then it ends."""

    def __init__(
        self, feed: Feed, place: Place, first: FeedPage, admitted: Callable[[], bool]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = list(_STREAM_HEADERS)
        self._feed = feed
        self._place = place
        self._first = first
        self._admitted = admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            gone = asyncio.create_task(_left(receive))
            try:
                await _send(send, b"retry: 1000\n\n")
                await self._feed.follow(self._place, self._first, send, gone, self._admitted)
            except Exception as fault:  # noqa: BLE001 the reader is told, and comes back
                await _send(send, _failed(fault))
            finally:
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone
        await send({"type": "http.response.body", "body": b""})


def _failed(fault: Exception) -> bytes:
    problem = fault if isinstance(fault, Problem) else problem_of(fault)
    if problem is None:
        _LOG.error("a stream of events failed", exc_info=fault)
        problem = Problem(Fault.INTERNAL_FAULT)
    return b"event: problem\ndata: " + bytes(problem.answer().body) + b"\n\n"


def _behind(place: Place, page: FeedPage) -> tuple[int, int, int]:
    """Where to go on behind a page: it was read in the page's epoch, whatever its events are of."""
    position = page.events[-1][0].position if page.events else place.position
    return place.shard, position, page.epoch


def _sent(envelope: Any, recorded: Any, epoch: int) -> bytes:
    cursor = cursor_text(envelope.shard, envelope.position, epoch)
    data = json_bytes(event(envelope, recorded))
    return b"id: " + cursor.encode("ascii") + b"\ndata: " + data + b"\n\n"


async def _send(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _last_event(headers: Mapping[bytes, bytes]) -> Place:
    try:
        return read_place(headers[LAST_EVENT_ID].decode("ascii"))
    except ValueError:
        raise invalid_header(
            Fault.LAST_EVENT_ID_INVALID, "Last-Event-ID", "must be the id of an event"
        ) from None


def _now() -> float:
    return asyncio.get_running_loop().time()
