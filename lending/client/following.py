"""Following the feed without missing anything: as a stream that is resumed, or by long polls.

Positions of a shard are dense. Unless a filter leaves some out, one that is missing is an error
here and not an event the less.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from lending.client.answers import Event, event
from lending.client.errors import FeedGap, UnusableAnswer, problem_of
from lending.client.retrying import Manner, answered, ask, pause_seconds, why, worth_retrying
from lending.client.wire import Deliver, Lost, Open, Pause, Read, Reply, Request, Talk

FEED: Final = "/loan/events"
STREAM: Final = "/loan/events/stream"
PAGE_ITEMS: Final = 500
POLL_WAIT_SECONDS: Final = 20
FRAME_MAX_BYTES: Final = 4 * 1024 * 1024
IDLE_SECONDS: Final = 60.0
"""A stream that says nothing for so long, not even a heartbeat, is taken for lost."""
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_ENDED: Final = Lost("the stream ended", sent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events: all of them unless something is named."""

    application_id: UUID | str | None = None
    event_types: Sequence[str] = ()
    stages: Sequence[str] = ()

    @property
    def everything(self) -> bool:
        """Whether no event is left out, so that positions are dense."""
        return self.application_id is None and not self.event_types and not self.stages

    def query(self) -> list[tuple[str, str]]:
        """The same as parameters."""
        said = (
            ("application_id", None if self.application_id is None else str(self.application_id)),
            ("event_type", ",".join(self.event_types)),
            ("stage", ",".join(self.stages)),
        )
        return [(name, value) for name, value in said if value]


@dataclass(slots=True)
class Place:
    """How far a reader has come: a cursor, and the position it names; None where nothing is known."""

    cursor: str | None
    position: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.position = 0 if self.cursor is None else position_of(self.cursor)

    def went_on(self, found: Event, *, dense: bool) -> None:
        """Note an event. Raises FeedGap where one before it is missing."""
        position = found.position
        if position is None:
            raise UnusableAnswer("an event of the feed has no position")
        if dense and self.position is not None and position != self.position + 1:
            raise FeedGap(self.position + 1, position)
        self.position = position
        self.cursor = found.cursor

    def was_told(self, cursor: str, *, dense: bool) -> None:
        """Note a sign of life: how far the ledger has come without an event for this reader.

        Raises FeedGap where everything is wanted and yet it is farther.
        """
        try:
            position = position_of(cursor)
        except ValueError:
            raise UnusableAnswer(f"{cursor[:80]!r} is no place in the feed") from None
        if dense and self.position is not None and position != self.position:
            raise FeedGap(self.position + 1, position)
        self.position = position
        self.cursor = cursor


def position_of(cursor: str) -> int:
    """The position that a cursor names. Raises ValueError."""
    return int(cursor.partition("@")[0].rpartition(":")[2])


def poll(wanted: Wanted, after: str | None, manner: Manner) -> Talk[None]:
    """Deliver every event behind `after` for ever, by pages that wait for the first of theirs."""
    place = Place(after)
    while True:
        query = [("limit", str(PAGE_ITEMS)), *wanted.query()]
        if place.cursor is not None:
            query.append(("after", place.cursor))
        request = Request(
            method="GET",
            path=FEED,
            query=query,
            headers={"Prefer": f"wait={POLL_WAIT_SECONDS}"},
            wait_seconds=POLL_WAIT_SECONDS,
        )
        reply = yield from ask(request, manner)
        content = reply.json()
        if reply.status != 200 or not isinstance(content, dict):
            raise problem_of(f"GET {FEED}", reply)
        epoch = str(content["position"]).partition("@")[2]
        for said in content["items"]:
            found = event(said, _cursor(said, epoch))
            place.went_on(found, dense=wanted.everything)
            yield Deliver(found)
        place.cursor = content["position"]


def stream(wanted: Wanted, after: str | None, manner: Manner) -> Talk[None]:
    """Deliver every event behind `after` for ever; a stream that ends is resumed where it ended."""
    place = Place(after)
    failures = 0
    give_up_at = None
    while True:
        before, opened_at = place.position, manner.clock()
        request = _opening(wanted, place.cursor)
        heard = yield from _one_stream(request, wanted, place)
        lasted = manner.clock() - opened_at > manner.patience.pause_max_seconds
        if place.position != before or (heard is _ENDED and lasted):
            failures, give_up_at = 0, None
        failures += 1
        seconds = pause_seconds(heard, failures, manner)
        give_up_at = give_up_at or manner.clock() + manner.patience.seconds_max
        over = failures >= manner.patience.attempts_max or manner.clock() + seconds > give_up_at
        if over or not _may_resume(heard):
            raise problem_of(f"GET {STREAM}", answered(request, heard, failures))
        manner.on_retry(why(request, heard))
        yield Pause(seconds)


def _one_stream(request: Request, wanted: Wanted, place: Place) -> Talk[Reply | Lost]:
    """Deliver what one stream gives; what it ended with."""
    heard: Reply | Lost = yield Open(request)
    if isinstance(heard, Lost) or heard.status != 200:
        return heard
    frames = Frames()
    while True:
        chunk: bytes | Lost | None = yield Read()
        if chunk is None:
            return _ENDED
        if isinstance(chunk, Lost):
            return chunk
        for frame in frames.feed(chunk):
            if frame.get("event") == "problem":
                return _as_reply(frame["data"])
            if frame.get("event", "message") != "message":
                continue
            if "data" not in frame:
                if "id" in frame:
                    place.was_told(frame["id"], dense=wanted.everything)
                continue
            found = event(orjson.loads(frame["data"]), frame.get("id"))
            place.went_on(found, dense=wanted.everything)
            yield Deliver(found)


def _opening(wanted: Wanted, cursor: str | None) -> Request:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if cursor is not None and "@" in cursor:
        headers["Last-Event-ID"] = cursor
    query = wanted.query()
    if cursor is not None:
        query.append(("after", cursor))
    return Request(
        method="GET", path=STREAM, query=query, headers=headers, wait_seconds=IDLE_SECONDS
    )


def _may_resume(heard: Reply | Lost) -> bool:
    """A slow reader, too, comes back where it was; a rewound history is for the caller."""
    return worth_retrying(heard, repeatable=True)


def _as_reply(data: str) -> Reply:
    """A problem inside a stream, as the answer it would have been."""
    said = orjson.loads(data)
    return Reply(int(said.get("status", 500)), {}, data.encode())


def _cursor(said: Mapping[str, Any], epoch: str) -> str:
    return f"{said['shard']}:{said['position']}" + (f"@{epoch}" if epoch else "")


class Frames:
    """Server-sent events out of bytes (WHATWG HTML, section 9.2), within bounds."""

    def __init__(self) -> None:
        self._rest = b""
        self._frame: dict[str, str] = {}
        self._bytes = 0

    def feed(self, chunk: bytes) -> list[dict[str, str]]:
        """The frames that `chunk` completes, each with the fields it has."""
        text = self._rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, self._rest = _LINE.split(text[: len(text) - len(held)])
        self._rest += held
        self._bytes += len(chunk)
        found = []
        for line in lines:
            if line:
                self._take(line.decode())
                continue
            if self._frame:
                found.append(self._frame)
            self._frame, self._bytes = {}, len(self._rest)
        if self._bytes > FRAME_MAX_BYTES:
            raise UnusableAnswer(f"an event of the stream is longer than {FRAME_MAX_BYTES} bytes")
        return found

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        if not name:
            return
        value = value.removeprefix(" ")
        if name == "data" and "data" in self._frame:
            value = f"{self._frame['data']}\n{value}"
        self._frame[name] = value
