"""What a conversation with the ledger is made of: steps for whoever does the I/O, and what is heard.

A conversation is a generator. It yields steps and is sent what came of each, so one and the same
conversation is held with blocking calls and with asyncio.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask. `repeatable`: asking twice does no more than asking once."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True
    wait_seconds: float = 0.0
    """For how long the ledger was asked to wait before it answers."""
    within_seconds: float | None = None
    """How long asking may take, with all attempts, where that is less than patience would allow."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the ledger answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None where it is none, such as a proxy's page."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def problem(self) -> Mapping[str, Any]:
        """The members of the problem that an error is (RFC 9457); empty where it is none."""
        content = self.json()
        return content if isinstance(content, dict) and "code" in content else {}


@dataclass(frozen=True, slots=True)
class Lost:
    """No whole answer came. `sent`: the request may have been carried out all the same."""

    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; a Reply or Lost is heard."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; None is heard."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """Begin to read the answer to a request; its Reply, without its body where that is a stream, or
    Lost is heard. An answer that was read before is let go of.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read on in what was opened; bytes are heard, Lost where there are no more."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand a value to whoever iterates; None is heard when the next is wanted."""

    value: Any


Step = Send | Pause | Open | Read | Deliver
Heard = Reply | Lost | bytes | None
Talk = Generator[Step, Any, T]
"""A conversation that ends with a T."""
