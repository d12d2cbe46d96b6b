"""Streams of server-sent events: how many there may be, what each is sent, and how each ends.

What belongs here: a stream under way, and the one timer that looks after all of them.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem
from lending.api.translation import RETRY_AFTER, problem_of, unauthenticated
from lending.contract.positions import cursor_text
from lending.runtime import limits
from lending.runtime.clock import loop_seconds
from lending.runtime.web import CUT
from lending.service.access_log import AccessLog, What
from lending.service.following import Follower
from lending.service.tail import Batch, Entry

STREAMING: Final = "stream"
WAITING: Final = "wait"
_LOG: Final = logging.getLogger(__name__)
_CHUNKS_SHARED_MAX: Final = 8
_BEGIN: Final = b"retry: 1000\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)

Form = Callable[[Entry], bytes]
"""Makes an event's `data`."""


class StreamObserver(Protocol):
    """Told of streams, for metrics."""

    def stream_ended(self, reason: str) -> None: ...

    def watch_streams(self, following: Callable[[], Mapping[str, int]]) -> None: ...


class Reader:
    """One who follows the feed: what wakes it, and whether it may, and does, go on reading."""

    __slots__ = ("admitted", "cut", "request", "sending_since", "silent_since", "wake")

    def __init__(self, request: Incoming, wake: asyncio.Event) -> None:
        self.request = request
        self.wake = wake
        self.admitted = True
        self.silent_since = loop_seconds()
        self.sending_since: float | None = None
        self.cut = False

    def look(self, now: float) -> None:
        """Called every moment: cut a connection that takes nothing, wake a reader that is due."""
        self.admitted = self.admitted and self.request.still_admitted()
        if self.sending_since is not None:
            stuck = now - self.sending_since > limits.STREAM_SEND_MAX_SECONDS
            if (stuck or not self.admitted) and not self.cut:
                self.cut = True
                self.request.scope.get(CUT, _no_way)()
        elif not self.admitted or now - self.silent_since >= limits.HEARTBEAT_SECONDS:
            self.wake.set()


class Streams:
    """Everybody who follows the feed of one service. `watch` is supervised by its owner."""

    def __init__(
        self, stopping: asyncio.Event, observer: StreamObserver, access: AccessLog
    ) -> None:
        """`stopping` is set when the service is told to stop."""
        self.stopping = stopping
        self.observer = observer
        self.access = access
        self._following: Counter[str] = Counter()
        self._of_principal: Counter[str] = Counter()
        self._readers: set[Reader] = set()
        self._chunks: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        observer.watch_streams(lambda: dict(self._following))

    def admit(self, request: Incoming, way: str) -> Callable[[], None]:
        """Take a place for one who follows; the answer gives it back. Raises Problem."""
        principal = request.principal
        if self._following.total() >= limits.STREAMS_MAX:
            raise Problem(Fault.OVERLOADED, headers=[RETRY_AFTER])
        held = self._of_principal[principal.name]
        if held >= limits.STREAMS_PER_PRINCIPAL_MAX and not principal.unrestricted:
            raise Problem(Fault.TOO_MANY_STREAMS, headers=[RETRY_AFTER])
        self._following[way] += 1
        self._of_principal[principal.name] += 1

        def leave() -> None:
            self._following[way] -= 1
            self._of_principal[principal.name] -= 1
            if not self._of_principal[principal.name]:
                del self._of_principal[principal.name]

        return leave

    @contextmanager
    def looked_after(self, reader: Reader) -> Iterator[Reader]:
        """Inside the block the timer looks after the reader."""
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    async def watch(self) -> None:
        """Look after all readers, every moment and when the service stops. Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.STREAM_CHECK_SECONDS):
                    await self.stopping.wait()
            now = loop_seconds()
            for reader in self._readers:
                reader.look(now)
                if self.stopping.is_set():
                    reader.wake.set()
            if self.stopping.is_set():
                await asyncio.sleep(limits.STREAM_CHECK_SECONDS)

    def chunk(self, entries: Sequence[Entry], epoch: int, form: Form, *, shared: bool) -> bytes:
        """The entries as they are sent. Readers of everything, at the same place, share the bytes."""
        if not shared:
            return _framed(entries, epoch, form)
        first, last = entries[0].envelope, entries[-1].envelope
        key = (first.shard, first.position, last.position, epoch, form)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = _framed(entries, epoch, form)
            if len(self._chunks) > _CHUNKS_SHARED_MAX:
                self._chunks.popitem(last=False)
        return chunk


class Stream(Response):
    """A stream under way. What goes wrong in it is sent as an event `problem`, then it ends."""

    def __init__(
        self, streams: Streams, request: Incoming, follower: Follower, form: Form, *, shared: bool
    ) -> None:
        """It takes a place among the streams, and gives it back at its end. Raises Problem."""
        self.status_code = 200
        self.background = None
        self.raw_headers = list(_HEADERS)
        self._streams = streams
        self._follower = follower
        self._form = form
        self._shared = shared
        self._request = request
        self._reader = Reader(request, follower.wake)
        self._leave = streams.admit(request, STREAMING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader leaves."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                with self._request.waiting(), self._streams.looked_after(self._reader):
                    await self._stream(receive, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._leave()

    async def _stream(self, receive: Receive, send: Send) -> None:
        problem: Problem | None = None
        async with leaving(receive, self._follower.wake) as gone:
            try:
                await self._send(send, _BEGIN)
                with self._follower:
                    problem = await self._follow(send, gone)
            except Exception as fault:  # noqa: BLE001 the reader is told, and comes back
                problem = _problem(fault)
            try:
                if problem is not None:
                    await self._send(send, _told(problem))
            finally:
                self._ended(problem, gone)

    async def _follow(self, send: Send, gone: "asyncio.Task[None]") -> Problem | None:
        """Send what comes until the reader has gone, the service stops, or the reader may not."""
        reader, follower = self._reader, self._follower
        while True:
            reader.wake.clear()
            batch = await follower.next()
            if gone.done() or self._streams.stopping.is_set():
                return None
            if not reader.admitted:
                return unauthenticated()
            if batch.entries:
                await self._heed(batch)
                await self._send(send, self._chunk(batch))
                if batch.more:
                    await asyncio.sleep(0)  # who reads much leaves the others their turn
            elif loop_seconds() - reader.silent_since >= limits.HEARTBEAT_SECONDS:
                await self._send(send, self._heartbeat())
            elif not batch.more:
                await reader.wake.wait()

    async def _heed(self, batch: Batch) -> None:
        """Have it recorded who reads this, if it is to be."""
        applications = {entry.envelope.application_id for entry in batch.entries}
        await self._streams.access.heed(self._request.asker, What.STREAM, applications)

    def _chunk(self, batch: Batch) -> bytes:
        return self._streams.chunk(batch.entries, batch.epoch, self._form, shared=self._shared)

    def _heartbeat(self) -> bytes:
        """A comment, and an id without data: it moves Last-Event-ID on and is no event (HTML, 9.2.6)."""
        cursor = cursor_text(self._follower.shard, *self._follower.cursor)
        return b": still here\nid: " + cursor.encode("ascii") + b"\n\n"

    async def _send(self, send: Send, chunk: bytes) -> None:
        self._reader.sending_since = self._reader.silent_since = loop_seconds()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._reader.sending_since = None

    def _ended(self, problem: Problem | None, gone: "asyncio.Task[None]") -> None:
        if self._reader.cut:
            reason = "send_blocked"
        elif problem is not None:
            reason = problem.kind.code
        else:
            reason = "left" if gone.done() else "stopped"
        self._streams.observer.stream_ended(reason)
        if problem is not None or self._reader.cut:
            place = cursor_text(self._follower.shard, *self._follower.cursor)
            _LOG.warning("a stream of events ended at %s: %s", place, reason)


def _framed(entries: Sequence[Entry], epoch: int, form: Form) -> bytes:
    parts: list[bytes] = []
    for entry in entries:
        at = entry.envelope
        cursor = cursor_text(at.shard, at.position, epoch).encode("ascii")
        parts += (b"id: ", cursor, b"\ndata: ", form(entry), b"\n\n")
    return b"".join(parts)


def _problem(fault: Exception) -> Problem:
    problem = fault if isinstance(fault, Problem) else problem_of(fault)
    if problem is None:
        _LOG.error("a stream of events failed", exc_info=fault)
        problem = Problem(Fault.INTERNAL_FAULT)
    return problem


def _told(problem: Problem) -> bytes:
    return b"event: problem\ndata: " + bytes(problem.answer().body) + b"\n\n"


@asynccontextmanager
async def leaving(receive: Receive, wake: asyncio.Event) -> AsyncIterator["asyncio.Task[None]"]:
    """Inside the block a task runs that is done, and wakes the reader, once its client has gone."""
    gone = asyncio.create_task(_left(receive))
    gone.add_done_callback(lambda _: wake.set())
    try:
        yield gone
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _no_way() -> None:
    """A server that cannot cut a connection keeps it until the network gives it up."""
