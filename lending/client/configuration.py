"""How a client is set up, the same for both ways of doing I/O; and what is said beside a command."""

import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypedDict

import httpx2

from lending.client.conversations import Conversations
from lending.client.encoding import Order
from lending.client.retrying import Manner, Patience
from lending.client.wire import Lost, Request
from lending.domain.application.commands import Command

ANSWER_MAX_BYTES: Final = 64 * 1024 * 1024
CREDENTIAL_MAX_CHARACTERS: Final = 8192


class Beside(TypedDict, total=False):
    """What may be said beside a command. Without `key` one is made and kept over all attempts."""

    key: str
    if_match: int
    effective_at: datetime
    on_behalf_of: str
    agent_build: str
    correlation_id: str
    causation_id: str


class Listed(TypedDict, total=False):
    """Which applications to list."""

    reference: str
    applicant_id: str
    status: str
    stage: str
    applied_from: str
    applied_to: str


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def draw(least: float, most: float) -> float:
    """A random number between two; it spreads retries and guards nothing."""
    return random.uniform(least, most)  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Where the ledger is, who asks, and how.

    `credential` is an API key or a bearer token; it is sent to `url` only and shown nowhere. Clock,
    randomness and keys can be others', for tests.
    """

    url: str
    credential: str | None = field(default=None, repr=False)
    on_behalf_of: str | None = None
    agent_build: str | None = None
    patience: Patience = field(default_factory=Patience)
    timeout_seconds: float = 30.0
    connections_max: int = 100
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[float, float], float] = draw
    new_key: Callable[[], str] = new_key
    on_retry: Callable[[str], None] = lambda _: None

    def conversations(self) -> Conversations:
        """The conversations of a client that is set up like this."""
        manner = Manner(
            patience=self.patience,
            clock=self.clock,
            chance=self.chance,
            new_key=self.new_key,
            on_retry=self.on_retry,
        )
        return Conversations(manner, on_behalf_of=self.on_behalf_of, agent_build=self.agent_build)

    def headers(self) -> Mapping[str, str]:
        """What goes with every request. Raises ValueError where the credential cannot be sent."""
        if self.credential is None:
            return {}
        good = self.credential.isascii() and self.credential.isprintable()
        if (
            not good
            or " " in self.credential
            or not 0 < len(self.credential) <= CREDENTIAL_MAX_CHARACTERS
        ):
            raise ValueError("the credential must be printable ASCII characters without spaces")
        return {"Authorization": f"Bearer {self.credential}"}

    def base_url(self) -> httpx2.URL:
        """The URL. Raises ValueError where it is not one of an HTTP service."""
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL:
            raise ValueError("the URL cannot be read") from None
        plain = url.scheme in ("http", "https") and url.host and not url.query and not url.fragment
        if not plain or url.userinfo:
            raise ValueError(
                "the URL must be one of an HTTP service, such as http://127.0.0.1:8000"
            )
        return url

    def timeout(self, request: Request) -> httpx2.Timeout:
        """For how long to wait for an answer: longer where the ledger was asked to wait."""
        each_seconds = self.timeout_seconds
        if request.within_seconds is not None:
            each_seconds = min(each_seconds, request.within_seconds)
        return httpx2.Timeout(each_seconds, read=each_seconds + request.wait_seconds)

    def limits(self) -> httpx2.Limits:
        """How many connections to keep."""
        return httpx2.Limits(
            max_connections=self.connections_max, max_keepalive_connections=self.connections_max
        )


def order(command: Command, application_id: object = None, beside: Beside | None = None) -> Order:
    """A command with what is said beside it."""
    about = None if application_id is None else str(application_id)
    return Order(command=command, application_id=about, **(beside or {}))


def lost(error: httpx2.HTTPError) -> Lost:
    """Why no answer came. Before a connection was made nothing can have been done."""
    unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return Lost(f"{type(error).__name__} {error}".strip(), sent=not unsent)


def too_long() -> Lost:
    """An answer that is longer than one may be."""
    return Lost(f"the answer is longer than {ANSWER_MAX_BYTES} bytes", sent=True)
