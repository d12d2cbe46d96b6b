"""An application of another kind under a path of ours: its requests are admitted, bounded and answered
like every other.

It is any ASGI application that answers one POST with one whole answer. It gets the body read, within
its limits, and in the scope the principal who asks; what it says is sent once it is known whole, so
that a failure in it leaves as a problem too.
"""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message

from lending.api.answers import Answer, Header
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem
from lending.api.routing import Endpoint
from lending.api.translation import RETRY_AFTER, unauthenticated
from lending.contract.asking import PRINCIPAL
from lending.runtime import limits

_OURS: Final = (b"content-type", b"content-length", b"cache-control", b"x-content-type-options")


def mounted(application: ASGIApp, seconds: float = limits.TOOL_CALL_MAX_SECONDS) -> Endpoint:
    """The endpoint that has `application` answer, within so many seconds."""

    async def endpoint(request: Incoming) -> Response:
        body = await request.json_bytes()
        said = _Said()
        scope = {**request.scope, PRINCIPAL: request.principal}
        try:
            async with asyncio.timeout(seconds):
                await application(scope, _Receive(body, request), said.send)
        except TimeoutError:
            raise Problem(Fault.OUTCOME_UNKNOWN, retryable=True, headers=[RETRY_AFTER]) from None
        if not request.still_admitted():
            raise unauthenticated()
        return said.answer()

    return endpoint


class _Receive:
    """ASGI's receive: the body that was read already, then whatever comes."""

    def __init__(self, body: bytes, request: Incoming) -> None:
        self._body: bytes | None = body
        self._request = request

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._request.receive()


class _Said:
    """What an application says, until it is known whole."""

    def __init__(self) -> None:
        self._status = 500
        self._headers: list[Header] = []
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def answer(self) -> Answer:
        """The answer. Raises Problem where the application failed."""
        if self._status >= 500:
            raise Problem(Fault.INTERNAL_FAULT)
        kinds = [value for name, value in self._headers if name == b"content-type"]
        others = [pair for pair in self._headers if pair[0] not in _OURS]
        return Answer(bytes(self._body), self._status, others, kinds[0] if kinds else b"text/plain")
