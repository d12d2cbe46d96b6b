"""The client for programs that wait: blocking calls, and a thread where claims are renewed."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class LedgerClient:
    """A ledger as a program sees it. Use it as a context, or close it. Threads may share it."""

    def __init__(
        self,
        configuration: Configuration | str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`configuration` may be just the URL. Raises ValueError where it cannot be used."""
        if isinstance(configuration, str):
            configuration = Configuration(url=configuration)
        self._configuration = configuration
        self._talks = configuration.conversations()
        self._sleep = sleep
        self._http = httpx2.Client(
            base_url=configuration.base_url(),
            headers=configuration.headers(),
            limits=configuration.limits(),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def last_position(self) -> str | None:
        """The farthest position that a command of this client was recorded at."""
        return self._talks.last_position

    def alive(self) -> None:
        """See whether a ledger is there. Raises LedgerError."""
        self._hold(self._talks.alive())

    # commands

    def issue(
        self,
        command: Command,
        application_id: UUID | str | None = None,
        *,
        dry_run: bool = False,
        **beside: Unpack[Beside],
    ) -> CommandAnswer:
        """Issue a command. Raises Refused, Conflict and the other LedgerErrors."""
        return self._hold(
            self._talks.issue(order(command, application_id, beside), dry_run=dry_run)
        )

    def apply(self, command: Apply, **beside: Unpack[Beside]) -> CommandAnswer:
        """Open an application."""
        return self.issue(command, **beside)

    def decide(
        self, application_id: UUID | str, command: Decide | None = None, **beside: Unpack[Beside]
    ) -> CommandAnswer:
        """Decide an application; the active policy does without a command."""
        return self.issue(command or Decide(), application_id, **beside)

    def disburse(
        self, application_id: UUID | str, command: Disburse | None = None, **beside: Unpack[Beside]
    ) -> CommandAnswer:
        """Pay out the accepted offer."""
        return self.issue(command or Disburse(), application_id, **beside)

    def bulk(
        self, orders: Sequence[Order], *, atomic: bool = False, minimal: bool = False
    ) -> Sequence[Settled]:
        """Issue many commands in one request; what became of each, in their order.

        `minimal`: each outcome without events, next steps and warnings, which is faster.
        """
        return self._hold(self._talks.bulk(orders, atomic=atomic, minimal=minimal))

    def publish_product(self, product: Mapping[str, Any]) -> None:
        """Put a version of a product on record, unless it is there; `product` as JSON has it.

        Raises Refused where the version is there and says something else, and the other LedgerErrors.
        """
        self._hold(self._talks.publish_product(dict(product)))

    def product(self, name: str, version: str) -> Mapping[str, Any]:
        """A version of a product as the ledger says it. Raises NotFound and the other LedgerErrors."""
        return self._hold(self._talks.product(name, version))

    def publish_policy(self, policy: Mapping[str, Any]) -> None:
        """Put a version of a policy on record, unless it is there; `policy` as JSON has it.

        Raises Refused where it has faults or the version says something else, and the other
        LedgerErrors.
        """
        self._hold(self._talks.publish_policy(policy))

    def policy(self, name: str, version: str) -> Mapping[str, Any]:
        """A version of a policy as the ledger says it. Raises NotFound and the other LedgerErrors."""
        return self._hold(self._talks.policy(name, version))

    def activate_policy(self, name: str, version: str, start: str | None = None) -> None:
        """Let a version decide from the instant `start` on, such as 2026-11-01T00:00:00Z, or from
        now on. Raises NotFound, Refused and the other LedgerErrors.
        """
        self._hold(self._talks.activate_policy(name, version, start))

    def evaluate_policy(
        self, name: str, version: str, facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What a version answers to these facts, with the trace; nothing is recorded.

        Raises NotFound, Refused where it gives no decision, and the other LedgerErrors.
        """
        return self._hold(self._talks.evaluate_policy(name, version, facts))

    def register_model(self, model: Mapping[str, Any]) -> None:
        """Put a version of a score model on record, unless it is there; `model` as JSON has it.

        Raises Refused where the version is registered otherwise, and the other LedgerErrors.
        """
        self._hold(self._talks.register_model(model))

    # reading

    def application(self, application_id: UUID | str, **at: object) -> Application:
        """One application, now, or at a `version`, `as_of` or `effective_on`."""
        return self._hold(self._talks.application(application_id, at))

    def history(self, application_id: UUID | str) -> Iterator[Event]:
        """The events of an application, in order."""
        return self._each(self._talks.history(application_id))

    def timeline(self, application_id: UUID | str, **at: object) -> Iterator[Mapping[str, Any]]:
        """What happened to an application in words, with what each event changed, in order; up to a
        `version` or `as_of`, or only what counts by `effective_on`.
        """
        return self._each(self._talks.timeline(application_id, at))

    def difference(self, application_id: UUID | str, **moments: object) -> Mapping[str, Any]:
        """What differs between two moments: from `from_version`, `from_as_of`, `from_effective_on`
        (before there was an application, by default) to `to_version` and so on (now, by default).
        """
        return self._hold(self._talks.difference(application_id, moments))

    def decision_view(self, application_id: UUID | str, version: int) -> Mapping[str, Any]:
        """What a decider could see when it decided, which is the event of `version`. Raises NotFound
        where that is no decision, and the other LedgerErrors.
        """
        return self._hold(self._talks.decision_view(application_id, version))

    def applications(
        self, *, fresh: bool = False, min_position: str | None = None, **listed: Unpack[Listed]
    ) -> Iterator[ApplicationRow]:
        """Applications from the read model, newest first, a page at a time.

        `fresh`: not older than what this client wrote last.
        """
        return self._each(self._talks.list({**listed}, fresh=fresh, min_position=min_position))

    def feed_page(
        self, after: str | None = None, *, limit: int = 200, wait_seconds: int = 0
    ) -> Page[Event]:
        """One page of the feed; it waits for its first event for up to `wait_seconds`."""
        return self._hold(self._talks.feed_page({"after": after, "limit": limit}, wait_seconds))

    def follow(
        self, after: str | None = None, *, wanted: Wanted | None = None, polling: bool = False
    ) -> Iterator[Event]:
        """Every event behind the cursor `after`, for ever. Keep `cursor` of the last to go on later.

        Raises FeedGap, HistoryRewound, and what cannot be retried.
        """
        talk = poll if polling else stream
        return self._each(talk(wanted or Wanted(), after, self._talks.manner))

    # work

    def waiting(self, role: str | None = None) -> Iterator[Task]:
        """What waits for a role, oldest first."""
        return self._each(self._talks.waiting(role))

    @contextmanager
    def claim(self, role: str, limit: int = 1, seconds: int | None = None) -> Iterator["Claimed"]:
        """Hold the oldest tasks of a role inside the block: renewed meanwhile, released behind it."""
        holding = self._hold(Holding.take(self._talks, role, limit, seconds))
        ended = threading.Event()
        renewing = threading.Thread(
            target=self._renew, args=(holding, ended), name="claims", daemon=True
        )
        renewing.start()
        try:
            yield Claimed(holding, self._hold)
        finally:
            ended.set()
            try:
                self._hold(holding.release())
            finally:
                renewing.join()

    def _renew(self, holding: Holding, ended: threading.Event) -> None:
        while not ended.wait(holding.every_seconds):
            self._hold(holding.renew())

    # holding conversations

    def _hold(self, talk: Talk[T]) -> T:
        heard: Any = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = self._do(step)

    def _each(self, talk: Talk[None]) -> Iterator[Any]:
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
                        opened.close()
                        heard = self._open(request, opened)
                    case Read():
                        heard = opened.read()
                    case _:
                        heard = self._do(step)
        finally:
            opened.close()

    def _do(self, step: Step) -> Reply | Lost | None:
        match step:
            case Send(request):
                return self._send(request)
            case Pause(seconds):
                self._sleep(seconds)
                return None
            case _:
                raise TypeError(f"{type(step).__name__} is for iterators")

    def _send(self, request: Request) -> Reply | Lost:
        try:
            response = self._http.send(self._built(request), stream=True)
        except httpx2.RequestError as error:
            return lost(error)
        try:
            return _whole(response)
        except httpx2.RequestError as error:
            return lost(error)
        finally:
            response.close()

    def _open(self, request: Request, opened: "_Opened") -> Reply | Lost:
        try:
            response = self._http.send(self._built(request), stream=True)
            if response.status_code == 200:
                opened.take(response)
                return Reply(200, dict(response.headers), b"")
            try:
                return _whole(response)
            finally:
                response.close()
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

    def __init__(self, holding: Holding, hold: Callable[[Talk[None]], None]) -> None:
        self._holding = holding
        self._hold = hold

    @property
    def claims(self) -> Sequence[Claim]:
        """What was got, which may be nothing."""
        return self._holding.claims

    def require(self, claim: Claim) -> None:
        """See that a claim is still ours. Raises ClaimLost."""
        self._holding.require(claim)

    def done(self, claim: Claim) -> None:
        """Give one claim back before the block ends."""
        self._hold(self._holding.done(claim))


class _Opened:
    """An answer that is being read, if one is."""

    def __init__(self) -> None:
        self._response: httpx2.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def take(self, response: httpx2.Response) -> None:
        self._response, self._chunks = response, response.iter_bytes()

    def read(self) -> bytes | Lost | None:
        try:
            return next(self._chunks, None)
        except httpx2.RequestError as error:
            return lost(error)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _whole(response: httpx2.Response) -> Reply | Lost:
    parts, size_bytes = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > ANSWER_MAX_BYTES:
            return too_long()
    return Reply(response.status_code, dict(response.headers), b"".join(parts))
