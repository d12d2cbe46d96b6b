"""Sending one request to an address that somebody else named.

A name is resolved here, each of its addresses is checked, and the connection goes to exactly the
one that was checked: between the check and the connection nothing is resolved again. Redirects are
not followed, proxies of the environment are not used, what is answered is thrown away.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import httpcore2

from lending.runtime import limits
from lending.service.webhooks.addresses import Admits
from lending.service.webhooks.model import Failure, Outcome

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text. Raises OSError, UnicodeError."""

_TIMEOUTS: Final = {
    "connect": limits.WEBHOOK_TIMEOUT_SECONDS,
    "read": limits.WEBHOOK_TIMEOUT_SECONDS,
    "write": limits.WEBHOOK_TIMEOUT_SECONDS,
    "pool": limits.WEBHOOK_TIMEOUT_SECONDS,
}


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the machine's own resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class AddressRefused(Exception):
    """The host leads to an address that nothing is sent to."""


class NameNotResolved(Exception):
    """The host has no address."""


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to admitted addresses only."""

    def __init__(self, admits: Admits, resolve: Resolve = resolve) -> None:
        self._admits = admits
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first of the host's addresses that answers.

        Raises AddressRefused where any of them is not admitted, NameNotResolved, and what httpcore2
        raises.
        """
        fault: Exception = NameNotResolved(host)
        for address in await self._admitted(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                fault = failed
        raise fault

    async def _admitted(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
            refused = not all(self._admits(ipaddress.ip_address(one)) for one in addresses)
        except (OSError, UnicodeError, ValueError):
            raise NameNotResolved(host) from None
        if refused:
            raise AddressRefused(host)
        return list(dict.fromkeys(addresses))


class Courier:
    """Posts to one receiver, over at most as many connections as deliveries go at once."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend, tls: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.WEBHOOK_CONCURRENT_DELIVERIES,
            max_keepalive_connections=limits.WEBHOOK_CONCURRENT_DELIVERIES,
            keepalive_expiry=limits.WEBHOOK_KEEP_ALIVE_SECONDS,
            network_backend=backend,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._pool.aclose()

    async def post(self, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Outcome:
        """What became of it; whatever the receiver does, within WEBHOOK_TIMEOUT_SECONDS."""
        try:
            async with asyncio.timeout(limits.WEBHOOK_TIMEOUT_SECONDS):
                status = await self._status(url, headers, body)
        except (TimeoutError, httpcore2.TimeoutException):
            return Outcome(None, Failure.TIMEOUT)
        except AddressRefused:
            return Outcome(None, Failure.ADDRESS_REFUSED)
        except NameNotResolved:
            return Outcome(None, Failure.NAME_NOT_RESOLVED)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as fault:
            return Outcome(None, Failure.TLS if _of_tls(fault) else Failure.CONNECTION)
        return Outcome(status, None if 200 <= status < 300 else Failure.STATUS)

    async def _status(self, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> int:
        async with self._pool.stream(
            "POST", url, headers=list(headers), content=body, extensions={"timeout": _TIMEOUTS}
        ) as answer:
            with suppress(TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
                # The status is the answer; the rest is read so that the connection can be used again.
                async with asyncio.timeout(limits.WEBHOOK_ANSWER_SECONDS):
                    await _drop(answer)
            return int(answer.status)


def _of_tls(fault: BaseException | None) -> bool:
    """Whether TLS is at the bottom of it: libraries put their own faults on top."""
    while fault is not None:
        if isinstance(fault, ssl.SSLError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


async def _drop(answer: httpcore2.Response) -> None:
    length = 0
    async for chunk in answer.aiter_stream():
        length += len(chunk)
        if length > limits.WEBHOOK_ANSWER_MAX_BYTES:
            return
