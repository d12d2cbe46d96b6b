"""The outermost layer: who may ask, which endpoint answers, and that every error leaves as a problem.

Web pages are kept out by the headers Host and Origin (a page can make a browser send requests to
the loopback address, also under a name of its own that resolves to it).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lending.api.answers import Answer, no_content
from lending.api.authentication import Gate
from lending.api.headers import Correlation
from lending.api.incoming import Incoming
from lending.api.problems import MEDIA_TYPE, Fault, Problem
from lending.api.rates import Rates
from lending.api.routing import RouteIndex
from lending.api.translation import problem_of
from lending.api.under_way import UnderWay
from lending.domain.authority import Principal
from lending.runtime import limits

_LOG: Final = logging.getLogger(__name__)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
UNMATCHED: Final = "(none)"
"""The route of a request that matched none, in metrics."""
_FREE: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""What is asked however busy a principal or the service is: nobody learns that it is well by being
refused. Each has few places of its own.
"""
_LAST_RESORT: Final = (
    b'{"type":"/problems/internal_fault","title":"Internal fault","status":500,'
    b'"detail":"The service failed.","code":"internal_fault","retryable":false}'
)


class RequestObserver(Protocol):
    """Told of each request that was answered, for metrics."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None: ...


class HostRule:
    """Which hosts a request may name: the loopback ones, the one that is served on, and others that
    are known to lead here.
    """

    def __init__(self, served_host: str, others: Iterable[str] = ()) -> None:
        served = served_host.strip("[]").lower()
        served = f"[{served}]" if ":" in served else served
        self._hosts = _LOOPBACK | {served, *(other.lower() for other in others)}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise Problem for another host, or for a web page of another origin."""
        host = headers.get(b"host", b"").decode("latin-1")
        if _without_port(host).lower() not in self._hosts:
            raise Problem(Fault.HOST_NOT_ALLOWED)
        origin = headers.get(b"origin")
        if origin is not None and not self._same_origin(origin.decode("latin-1"), host):
            raise Problem(Fault.ORIGIN_NOT_ALLOWED)

    def _same_origin(self, origin: str, host: str) -> bool:
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and not name.endswith(":") else host


class Boundary:
    """Answers every HTTP request. What is not HTTP goes on to `lifespan`, or is closed."""

    def __init__(
        self,
        routes: RouteIndex,
        *,
        lifespan: ASGIApp,
        hosts: HostRule,
        gate: Gate,
        rates: Rates,
        observer: RequestObserver,
        new_incident: Callable[[], str],
        new_correlation_id: Callable[[], str],
    ) -> None:
        """`new_incident` makes the id under which a fault is logged and shown, `new_correlation_id`
        what a request belongs to that does not say so.
        """
        self._routes = routes
        self._lifespan = lifespan
        self._hosts = hosts
        self._gate = gate
        self._rates = rates
        self._observer = observer
        self._new_incident = new_incident
        self._new_correlation_id = new_correlation_id
        self._under_way = UnderWay()
        self._probes = {path: UnderWay() for path in _FREE}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http":
            under_way = self._probes.get(scope["path"], self._under_way)
            under_way.count += 1
            try:
                await self._http(scope, receive, send, under_way)
            finally:
                under_way.count -= 1
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send, under_way: UnderWay) -> None:
        began = time.perf_counter()
        route = UNMATCHED
        correlation = Correlation(scope["headers"], self._new_correlation_id)
        counted: Principal | None = None
        response: Response
        try:
            try:
                _admit(scope, under_way)
                # Before anything else, so that who is not admitted cannot even tell what is there.
                admitted = await self._gate.admit(scope["path"], scope["headers"])
                if scope["method"] == "OPTIONS":
                    response = self._options(scope["path"])
                else:
                    endpoint, route, in_path = self._routes.find(scope["method"], scope["path"])
                    request = Incoming(
                        scope,
                        receive,
                        in_path,
                        admitted=admitted,
                        under_way=under_way,
                        correlation=correlation,
                    )
                    self._hosts.check(request.named)
                    if route not in _FREE:
                        under_way.take(request.principal)
                        counted = request.principal
                        self._rates.charge(request.principal)
                    response = await endpoint(request)
            except Problem as problem:
                response = problem.answer()
                response.raw_headers = [*correlation.mark(response.raw_headers)]
            except Exception as fault:  # noqa: BLE001 whatever it is, it leaves as a problem
                response = self._fault(fault, route)
                response.raw_headers = [*correlation.mark(response.raw_headers)]
            self._observer.answered(
                route, scope["method"], response.status_code, time.perf_counter() - began
            )
            await response(scope, receive, send)
        finally:
            if counted is not None:
                under_way.give_back(counted)

    def _options(self, path: str) -> Response:
        methods = self._routes.methods(path)
        if not methods:
            raise Problem(Fault.NOT_FOUND)
        return no_content([(b"allow", ", ".join(methods).encode())])

    def _fault(self, fault: Exception, route: str) -> Response:
        try:
            known = problem_of(fault)
            if known is not None:
                return known.answer()
            incident = self._new_incident()
            _LOG.error("request failed, incident %s, route %s", incident, route, exc_info=fault)
            return Problem(Fault.INTERNAL_FAULT, more={"incident": incident}).answer()
        except Exception:  # noqa: BLE001 not even a fault in handling faults leaves bare
            return Answer(_LAST_RESORT, 500, (), MEDIA_TYPE)


def _admit(scope: Scope, under_way: UnderWay) -> None:
    probe = scope["path"] in _FREE
    under_way.require_room(limits.PROBES_MAX_REQUESTS if probe else limits.REQUESTS_MAX)
    if len(scope["raw_path"]) + len(scope["query_string"]) > limits.URI_MAX_BYTES:
        raise Problem(Fault.URI_TOO_LONG)
