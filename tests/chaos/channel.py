"""One keep-alive HTTP/1.1 connection to one service, opened again when it is lost.

Who torments a service on the same machine must not take the processor from it: asyncio's transport
and the httptools parser take about 45 microseconds a request where a general client takes 600 to
900. It knows no redirects, proxies, cookies, compression, pipelining.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import orjson

from lending.imports.errors import UnusableUrl

_ANSWER_MAX_BYTES: Final = 64 * 1024 * 1024


class Unanswered(ConnectionError):
    """No whole answer came; whether the request was carried out is unknown."""


class Unreachable(Unanswered):
    """No connection could be made, so the request was not carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object; empty where it is none, such as a proxy's page."""
        try:
            content = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return content if isinstance(content, dict) else {}


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is; `prefix` is what its own paths follow."""

    host: str
    port: int
    prefix: str
    tls: bool

    @property
    def host_header(self) -> str:
        """The value of the Host header (RFC 9112, section 3.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @staticmethod
    def at(url: str) -> "Service":
        """The service at `url`. Raises `UnusableUrl`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UnusableUrl(url) from None
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
        ):
            raise UnusableUrl(url)
        tls = parts.scheme == "https"
        return Service(parts.hostname, port or (443 if tls else 80), parts.path.rstrip("/"), tls)


class Channel:
    """One connection, one request at a time."""

    def __init__(self, service: Service, *, timeout_seconds: float) -> None:
        self._service = service
        self._timeout_seconds = timeout_seconds
        self._connection: _Connection | None = None

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request and wait for its answer.

        Raises `Unanswered`, or `Unreachable` when nothing was sent.
        """
        lines = [
            f"{method} {self._service.prefix}{path} HTTP/1.1",
            f"host: {self._service.host_header}",
        ]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append("content-type: application/json")
        lines.append(f"content-length: {len(body)}\r\n\r\n")
        message = "\r\n".join(lines).encode("ascii") + body
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connection = await self._open()
                return await connection.exchange(message)
        except TimeoutError:
            self.close()
            raise Unanswered(f"no answer within {self._timeout_seconds:g} seconds") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _open(self) -> "_Connection":
        if self._connection is not None and self._connection.usable:
            return self._connection
        self.close()
        service = self._service
        tls = ssl.create_default_context() if service.tls else None
        try:
            _, self._connection = await asyncio.get_running_loop().create_connection(
                _Connection, service.host, service.port, ssl=tls
            )
        except OSError as error:
            raise Unreachable(error.strerror or str(error)) from error
        return self._connection


class _Connection(asyncio.Protocol):
    """The protocol of one open connection; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self.usable = True

    async def exchange(self, message: bytes) -> Answer:
        """Send one request and wait for its answer."""
        if self._transport is None:
            raise Unreachable("the connection was never made")
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answered

    def close(self) -> None:
        """Let go of the socket, whatever is on its way."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that is still awaited will not come."""
        self.usable = False
        self._fail(f"the connection was lost{f': {exc}' if exc else ''}")

    def on_message_begin(self) -> None:
        """Start a new answer."""
        self._headers, self._body, self._body_bytes = {}, [], 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, within bounds."""
        self._body_bytes += len(body)
        if self._body_bytes > _ANSWER_MAX_BYTES:
            self._fail("the answer is too long")
            self.close()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over; an interim answer (RFC 9110, section 15.2) is not it."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(Answer(status, self._headers, b"".join(self._body)))

    def _fail(self, reason: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(Unanswered(reason))
