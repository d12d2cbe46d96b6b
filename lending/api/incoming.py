"""A request as endpoints see it: what was matched, its headers by name, its body within its limits."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.types import Receive, Scope

from lending.api.headers import Correlation, Headers, by_name
from lending.api.problems import Fault, Problem
from lending.api.query import Query
from lending.api.translation import unauthenticated
from lending.api.under_way import UnderWay
from lending.contract.schema_types import to_uuid
from lending.domain.authority import Permission, Principal
from lending.runtime import limits
from lending.service.access_log import Asker, watched
from lending.service.authentication import Admitted

_JSON: Final = re.compile(
    rb"application/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?",
    re.IGNORECASE,
)
_NO_QUERY: Final = Query()
_CLOSE: Final = (b"connection", b"close")


class Incoming(Request):
    """A request, matched to a route. `in_path` are the path's parameters as they were written."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        in_path: Mapping[str, str],
        *,
        admitted: Admitted,
        under_way: UnderWay,
        correlation: Correlation,
    ) -> None:
        super().__init__(scope, receive)
        self.in_path = in_path
        self.named: Headers = by_name(scope["headers"])
        self.principal: Principal = admitted.principal
        self.under_way = under_way
        self.correlation = correlation
        self._admitted = admitted

    @property
    def asker(self) -> Asker:
        """Who reads, for the record of who read what is personal."""
        named = self.correlation.id if watched(self.principal) else ""
        return Asker(self.principal, named)

    @property
    def query(self) -> bytes:
        """The query string as it was sent."""
        query: bytes = self.scope["query_string"]
        return query

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside the block it waits for events, and is not counted among the requests under way:
        how many may wait is bounded in a place of its own.
        """
        with self.under_way.left_out(self.principal):
            yield

    def require(self, permission: Permission) -> None:
        """Raise Problem where who asks has no role with this permission."""
        if not self.principal.may(permission):
            raise Problem(Fault.FORBIDDEN, f"no role of yours may {permission.value}")

    def admit(self, permission: Permission) -> None:
        """`require`, where the query says nothing either. Raises Problem."""
        self.require(permission)
        _NO_QUERY.read(self.query)

    def still_admitted(self) -> bool:
        """Whether the credential still is good: an answer that takes long asks every second."""
        return self._admitted.holds()

    def application_id(self) -> UUID:
        """The application that the path names. Raises Problem where it is no id."""
        try:
            return to_uuid(self.in_path["application_id"])
        except ValueError:
            raise Problem(
                Fault.INVALID_ID,
                more={"errors": [{"parameter": "application_id", "message": "must be a UUID"}]},
            ) from None

    async def json_bytes(self) -> bytes:
        """The body, empty where there is none; else it was sent as JSON. Raises Problem.

        The credential was good before the body came, and a body takes as long as its sender likes:
        it must be good still. Who was suspended meanwhile is refused by whoever puts that on record.
        """
        length = self.named.get(b"content-length")
        if length is not None and int(length) > limits.BODY_MAX_BYTES:
            raise await self._too_large(int(length))
        try:
            async with asyncio.timeout(limits.BODY_WAIT_SECONDS):
                message = await self.receive()
                raw: bytes = message.get("body", b"")
                if message.get("more_body", False):
                    raw = await self._rest(bytearray(raw))
        except TimeoutError:
            raise Problem(Fault.BODY_TOO_SLOW, headers=[_CLOSE]) from None
        if message["type"] == "http.disconnect":
            raise Problem(Fault.BODY_TOO_SLOW, "the connection was closed")
        if not self._admitted.good():
            raise unauthenticated()
        if raw:
            self._require_json()
        return raw

    def _require_json(self) -> None:
        kind = self.named.get(b"content-type", b"")
        if kind != b"application/json" and not _JSON.fullmatch(kind):
            raise Problem(Fault.UNSUPPORTED_MEDIA_TYPE)
        if self.named.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem(Fault.UNSUPPORTED_MEDIA_TYPE)

    async def _rest(self, body: bytearray) -> bytes:
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Problem(Fault.BODY_TOO_SLOW, "the connection was closed")
            body += message.get("body", b"")
            if len(body) > limits.BODY_MAX_BYTES:
                raise await self._too_large(None, len(body))
            if not message.get("more_body", False):
                return bytes(body)

    async def _too_large(self, length: int | None, received: int = 0) -> Problem:
        """The problem, after the sender could say the rest: else it may never hear the answer."""
        problem = Problem(
            Fault.BODY_TOO_LARGE,
            f"a body has at most {limits.BODY_MAX_BYTES} bytes",
            headers=[_CLOSE],
        )
        if length is not None and length > limits.BODY_DISCARDED_MAX_BYTES:
            return problem
        if b"expect" in self.named:
            return problem
        try:
            async with asyncio.timeout(limits.BODY_WAIT_SECONDS):
                while received <= limits.BODY_DISCARDED_MAX_BYTES:
                    message = await self.receive()
                    received += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
        return problem
