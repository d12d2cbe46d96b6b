"""The client for asyncio: the same conversations, and a task where claims are renewed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

import httpx2

from lending.client.answers import (
    Application,
    ApplicationRow,
    Claim,
    CommandAnswer,
    Event,
    Page,
    Task,
)
from lending.client.configuration import (
    ANSWER_MAX_BYTES,
    Beside,
    Configuration,
    Listed,
    lost,
    order,
    too_long,
)
from lending.client.conversations import Settled
from lending.client.encoding import Order
from lending.client.following import Wanted, poll, stream
from lending.client.holding import Holding
from lending.client.wire import Deliver, Lost, Open, Pause, Read, Reply, Request, Send, Step, Talk
from lending.domain.application.commands import Apply, Command, Decide, Disburse

T = TypeVar("T")


class AsyncLedgerClient:
    """A ledger as a program sees it. Use it as a context, or close it. Tasks may share it."""

    def __init__(
        self,
        configuration: Configuration | str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`configuration` may be just the URL. Raises ValueError where it cannot be used."""
        if isinstance(configuration, str):
            configuration = Configuration(url=configuration)
        self._configuration = configuration
        self._talks = configuration.conversations()
        self._sleep = sleep
        self._http = httpx2.AsyncClient(
            base_url=configuration.base_url(),
            headers=configuration.headers(),
            limits=configuration.limits(),
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def last_position(self) -> str | None:
        """The farthest position that a command of this client was recorded at."""
        return self._talks.last_position

    async def alive(self) -> None:
        """See whether a ledger is there. Raises LedgerError."""
        await self._hold(self._talks.alive())

    # commands

    async def issue(
        self,
        command: Command,
        application_id: UUID | str | None = None,
        *,
        dry_run: bool = False,
        **beside: Unpack[Beside],
    ) -> CommandAnswer:
        """Issue a command. Raises Refused, Conflict and the other LedgerErrors."""
        return await self._hold(
            self._talks.issue(order(command, application_id, beside), dry_run=dry_run)
        )

    async def apply(self, command: Apply, **beside: Unpack[Beside]) -> CommandAnswer:
        """Open an application."""
        return await self.issue(command, **beside)

    async def decide(
        self, application_id: UUID | str, command: Decide | None = None, **beside: Unpack[Beside]
    ) -> CommandAnswer:
        """Decide an application; the active policy does without a command."""
        return await self.issue(command or Decide(), application_id, **beside)

    async def disburse(
        self, application_id: UUID | str, command: Disburse | None = None, **beside: Unpack[Beside]
    ) -> CommandAnswer:
        """Pay out the accepted offer."""
        return await self.issue(command or Disburse(), application_id, **beside)

    async def bulk(
        self, orders: Sequence[Order], *, atomic: bool = False, minimal: bool = False
    ) -> Sequence[Settled]:
        """Issue many commands in one request; what became of each, in their order.

        `minimal`: each outcome without events, next steps and warnings, which is faster.
        """
        return await self._hold(self._talks.bulk(orders, atomic=atomic, minimal=minimal))

    async def publish_product(self, product: Mapping[str, Any]) -> None:
        """Put a version of a product on record, unless it is there; `product` as JSON has it.

        Raises Refused where the version is there and says something else, and the other LedgerErrors.
        """
        await self._hold(self._talks.publish_product(dict(product)))

    async def product(self, name: str, version: str) -> Mapping[str, Any]:
        """A version of a product as the ledger says it. Raises NotFound and the other LedgerErrors."""
        return await self._hold(self._talks.product(name, version))

    async def publish_policy(self, policy: Mapping[str, Any]) -> None:
        """Put a version of a policy on record, unless it is there; `policy` as JSON has it.

        Raises Refused where it has faults or the version says something else, and the other
        LedgerErrors.
        """
        await self._hold(self._talks.publish_policy(policy))

    async def policy(self, name: str, version: str) -> Mapping[str, Any]:
        """A version of a policy as the ledger says it. Raises NotFound and the other LedgerErrors."""
        return await self._hold(self._talks.policy(name, version))

    async def activate_policy(self, name: str, version: str, start: str | None = None) -> None:
        """Let a version decide from the instant `start` on, such as 2026-11-01T00:00:00Z, or from
        now on. Raises NotFound, Refused and the other LedgerErrors.
        """
        await self._hold(self._talks.activate_policy(name, version, start))

    async def evaluate_policy(
        self, name: str, version: str, facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What a version answers to these facts, with the trace; nothing is recorded.

        Raises NotFound, Refused where it gives no decision, and the other LedgerErrors.
        """
        return await self._hold(self._talks.evaluate_policy(name, version, facts))

    async def register_model(self, model: Mapping[str, Any]) -> None:
        """Put a version of a score model on record, unless it is there; `model` as JSON has it.

        Raises Refused where the version is registered otherwise, and the other LedgerErrors.
        """
        await self._hold(self._talks.register_model(model))

    # reading

    async def application(self, application_id: UUID | str, **at: object) -> Application:
        """One application, now, or at a `version`, `as_of` or `effective_on`."""
        return await self._hold(self._talks.application(application_id, at))

    def history(self, application_id: UUID | str) -> AsyncIterator[Event]:
        """The events of an application, in order."""
        return self._each(self._talks.history(application_id))

    def timeline(
        self, application_id: UUID | str, **at: object
    ) -> AsyncIterator[Mapping[str, Any]]:
        """What happened to an application in words, with what each event changed, in order; up to a
        `version` or `as_of`, or only what counts by `effective_on`.
        """
        return self._each(self._talks.timeline(application_id, at))

    async def difference(self, application_id: UUID | str, **moments: object) -> Mapping[str, Any]:
        """What differs between two moments: from `from_version`, `from_as_of`, `from_effective_on`
        (before there was an application, by default) to `to_version` and so on (now, by default).
        """
        return await self._hold(self._talks.difference(application_id, moments))

    async def decision_view(self, application_id: UUID | str, version: int) -> Mapping[str, Any]:
        """What a decider could see when it decided, which is the event of `version`. Raises NotFound
        where that is no decision, and the other LedgerErrors.
        """
        return await self._hold(self._talks.decision_view(application_id, version))

    def applications(
        self, *, fresh: bool = False, min_position: str | None = None, **listed: Unpack[Listed]
    ) -> AsyncIterator[ApplicationRow]:
        """Applications from the read model, newest first, a page at a time.

        `fresh`: not older than what this client wrote last.
        """
        return self._each(self._talks.list({**listed}, fresh=fresh, min_position=min_position))

    async def feed_page(
        self, after: str | None = None, *, limit: int = 200, wait_seconds: int = 0
    ) -> Page[Event]:
        """One page of the feed; it waits for its first event for up to `wait_seconds`."""
        return await self._hold(
            self._talks.feed_page({"after": after, "limit": limit}, wait_seconds)
        )

    def follow(
        self, after: str | None = None, *, wanted: Wanted | None = None, polling: bool = False
    ) -> AsyncIterator[Event]:
        """Every event behind the cursor `after`, for ever. Keep `cursor` of the last to go on later.

        Raises FeedGap, HistoryRewound, and what cannot be retried.
        """
        talk = poll if polling else stream
        return self._each(talk(wanted or Wanted(), after, self._talks.manner))

    # work

    def waiting(self, role: str | None = None) -> AsyncIterator[Task]:
        """What waits for a role, oldest first."""
        return self._each(self._talks.waiting(role))

    @asynccontextmanager
    async def claim(
        self, role: str, limit: int = 1, seconds: int | None = None
    ) -> AsyncIterator["Claimed"]:
        """Hold the oldest tasks of a role inside the block: renewed meanwhile, released behind it."""
        holding = await self._hold(Holding.take(self._talks, role, limit, seconds))
        renewing = asyncio.create_task(self._renew(holding), name="claims")
        try:
            yield Claimed(holding, self._hold)
        finally:
            renewing.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await renewing
            finally:
                await self._hold(holding.release())

    async def _renew(self, holding: Holding) -> None:
        while True:
            await self._sleep(holding.every_seconds)
            await self._hold(holding.renew())

    # holding conversations

    async def _hold(self, talk: Talk[T]) -> T:
        heard: Any = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = await self._do(step)

    async def _each(self, talk: Talk[None]) -> AsyncIterator[Any]:
        opened = _Opened()
        heard: Any = None
        try:
            while True:
                try:
                    step = talk.send(heard)
                except StopIteration:
                    return
                heard = None
                match step:
                    case Deliver(value):
                        yield value
                    case Open(request):
                        await opened.close()
                        heard = await self._open(request, opened)
                    case Read():
                        heard = await opened.read()
                    case _:
                        heard = await self._do(step)
        finally:
            await opened.close()

    async def _do(self, step: Step) -> Reply | Lost | None:
        match step:
            case Send(request):
                return await self._send(request)
            case Pause(seconds):
                await self._sleep(seconds)
                return None
            case _:
                raise TypeError(f"{type(step).__name__} is for iterators")

    async def _send(self, request: Request) -> Reply | Lost:
        try:
            response = await self._http.send(self._built(request), stream=True)
        except httpx2.RequestError as error:
            return lost(error)
        try:
            return await _whole(response)
        except httpx2.RequestError as error:
            return lost(error)
        finally:
            await response.aclose()

    async def _open(self, request: Request, opened: "_Opened") -> Reply | Lost:
        try:
            response = await self._http.send(self._built(request), stream=True)
            if response.status_code == 200:
                opened.take(response)
                return Reply(200, dict(response.headers), b"")
            try:
                return await _whole(response)
            finally:
                await response.aclose()
        except httpx2.RequestError as error:
            return lost(error)

    def _built(self, request: Request) -> httpx2.Request:
        return self._http.build_request(
            request.method,
            request.path,
            params=list(request.query) or None,
            headers=dict(request.headers),
            content=request.body or None,
            timeout=self._configuration.timeout(request),
        )


class Claimed:
    """Claims inside their block."""

    def __init__(self, holding: Holding, hold: Callable[[Talk[None]], Awaitable[None]]) -> None:
        self._holding = holding
        self._hold = hold

    @property
    def claims(self) -> Sequence[Claim]:
        """What was got, which may be nothing."""
        return self._holding.claims

    def require(self, claim: Claim) -> None:
        """See that a claim is still ours. Raises ClaimLost."""
        self._holding.require(claim)

    async def done(self, claim: Claim) -> None:
        """Give one claim back before the block ends."""
        await self._hold(self._holding.done(claim))


class _Opened:
    """An answer that is being read, if one is."""

    def __init__(self) -> None:
        self._response: httpx2.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    def take(self, response: httpx2.Response) -> None:
        self._response, self._chunks = response, response.aiter_bytes()

    async def read(self) -> bytes | Lost | None:
        try:
            return None if self._chunks is None else await anext(self._chunks, None)
        except httpx2.RequestError as error:
            return lost(error)

    async def close(self) -> None:
        if self._response is not None:
            await self._response.aclose()
            self._response = None


async def _whole(response: httpx2.Response) -> Reply | Lost:
    parts, size_bytes = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > ANSWER_MAX_BYTES:
            return too_long()
    return Reply(response.status_code, dict(response.headers), b"".join(parts))
