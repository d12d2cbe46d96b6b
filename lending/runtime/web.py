"""The HTTP server: the socket it listens on, how long things may take, and how it stops.

What belongs here: uvicorn, set up for this service. What it serves is no concern of this file.
"""

import asyncio
import errno
import ipaddress
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.runtime.settings import url_at

CUT = "lending.cut"
"""Where a request's scope has what cuts its connection, though not everything was sent."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class NotLoopback(OperatorError):
    """The address is reachable from outside, and whoever reaches it would be let in."""


class CannotListen(OperatorError):
    """The address and port cannot be listened on."""


def listen(host: str, port: int, *, authenticated: bool = False) -> socket.socket:
    """A socket bound to an address, which must be a loopback one unless those who come are
    `authenticated`; port 0 takes a free one.

    Raises NotLoopback, CannotListen.
    """
    address = _address(host)
    if not authenticated and (address is None or not address.is_loopback):
        raise NotLoopback(
            f"the ledger does not serve on {host} without authentication, for whoever reaches it there"
            " could do anything: set LENDING_AUTHENTICATION=required (docs/how-to/identities.md), or"
            " use 127.0.0.1, ::1 or localhost"
        )
    if address is None:
        raise CannotListen(f"{host!r} is not an IP address: give one, 0.0.0.0 for every interface")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once only where it sees TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(limits.SERVE_BACKLOG_MAX_CONNECTIONS)
    except OSError as fault:
        listener.close()
        if fault.errno == errno.EADDRINUSE:
            hint = "is in use: stop what listens there, or choose another with --port"
        else:
            hint = f"cannot be listened on: {os.strerror(fault.errno or 0)}"
        raise CannotListen(f"port {port} of {host} {hint}") from None
    return listener


def allow_open_files() -> None:
    """Let this process open as many files as it may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (
        limits.OPEN_FILES_MAX
        if hard == resource.RLIM_INFINITY
        else min(hard, limits.OPEN_FILES_MAX)
    )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        return None


def url_of(listener: socket.socket) -> str:
    """The address of a bound socket, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return url_at(host, port)


class _OneWrite:
    """A connection that sends an answer's head together with what follows it.

    uvicorn writes the two one after the other, each a system call and a packet of its own.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send `data`; a head waits for what is written behind it, or for the loop's next turn."""
        head, self._head = self._head, b""
        if head:
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/"):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._send_head()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _HttpProtocol(HttpToolsProtocol):
    """uvicorn's own, over a connection that sends a whole answer at once, and can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(cast(asyncio.Transport, _OneWrite(transport, self.loop)))

    def on_message_begin(self) -> None:
        """A request begins: it can cut its connection, which ASGI has no message for."""
        super().on_message_begin()
        self.scope[CUT] = self.transport.abort  # type: ignore[literal-required]  # a member of ours


class HttpServer(uvicorn.Server):
    """uvicorn, stopped by its caller: it neither takes signals nor ends the process by one."""

    def __init__(self, app: ASGIApp, *, on_started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=_HttpProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=limits.SERVE_BACKLOG_MAX_CONNECTIONS,
                timeout_keep_alive=limits.KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=limits.SHUTDOWN_SECONDS,
            )
        )
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's to handle; see stop_on_signals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def stop(self) -> None:
        """Take no more requests and finish those under way; the second time, do not finish them."""
        self.force_exit = self.should_exit
        self.should_exit = True


@contextmanager
def on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` when the process is asked to end, by SIGTERM or Ctrl-C, inside the block."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
