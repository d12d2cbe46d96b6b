"""What an endpoint returns: bytes with a status and headers, sent in two messages.

It is a Starlette response with the work left out that an answer known whole does not need.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")


class Answer(Response):
    """An answer known whole. Never stored by caches."""

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Sequence[Header] = (),
        media_type: bytes = JSON,
    ) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            _NO_STORE,
            _NO_SNIFFING,
            *headers,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 ASGI's signature
        """Send the answer."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body})


class Told(NamedTuple):
    """What an answer says: to a request of its own, or in its place among many."""

    body: bytes
    status: int
    headers: Sequence[Header]
    media_type: bytes = JSON

    def answer(self) -> Answer:
        """As it goes out."""
        return Answer(*self)


def no_content(headers: Sequence[Header] = ()) -> Answer:
    """An answer without a body (204)."""
    answer = Answer(b"", 204)
    answer.raw_headers = [_NO_STORE, *headers]
    return answer
