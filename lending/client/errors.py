"""What can go wrong, one class for each way in which a caller goes on.

Nothing here holds a credential, or the content of a request.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lending.client.answers import NextStep, next_steps
from lending.client.wire import Reply

_TEXT_MAX_CHARACTERS: Final = 200


class LedgerError(Exception):
    """Something went wrong between the caller and the ledger; `str()` says what."""


class Unsendable(LedgerError, ValueError):
    """What the caller gave cannot be sent; nothing was."""


class Unanswered(LedgerError):
    """No answer came, after all retries.

    `outcome_unknown`: what was asked may be done; ask again under the same key.
    """

    def __init__(self, subject: str, reason: str, *, attempts: int, outcome_unknown: bool) -> None:
        super().__init__(f"{subject}: no answer after {attempts} attempt(s): {reason}")
        self.attempts = attempts
        self.outcome_unknown = outcome_unknown


class UnusableAnswer(LedgerError):
    """What came is not what the ledger answers: another service, or a proxy's page."""


class FeedGap(LedgerError):
    """A position of the feed is missing: something between here and the log lost an event."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"the feed went on with position {found} where {expected} was next")
        self.expected = expected
        self.found = found


class ClaimLost(LedgerError):
    """A claim ended while it was worked on: others may have taken up the task."""


class Problem(LedgerError):
    """An answer that is an error (RFC 9457)."""

    def __init__(self, subject: str, reply: Reply) -> None:
        said = reply.problem()
        self.status = reply.status
        self.code: str = str(said.get("code", "")) or f"http_{reply.status}"
        self.title: str = str(said.get("title", ""))
        self.detail: str = str(said.get("detail", "")) or _text(reply)
        self.retryable: bool = said.get("retryable") is True
        self.errors: Sequence[Mapping[str, Any]] = said.get("errors") or ()
        self.current_version: int | None = said.get("current_version")
        self.correlation_id: str | None = reply.headers.get("correlation-id")
        self.replayed: bool = reply.headers.get("idempotency-replayed") == "true"
        self.more: Mapping[str, Any] = said
        super().__init__(f"{subject}: {self.code}: {self.detail}")

    @property
    def allowed_commands(self) -> Sequence[NextStep]:
        """What may be asked of the application instead, where the ledger says."""
        return next_steps(self.more.get("allowed_commands"))


class Refused(Problem):
    """The rules refuse the command. This is on record, and the same key gets the same answer."""


class Conflict(Problem):
    """Others changed the application meanwhile. Nothing was recorded."""


class VersionMismatch(Conflict):
    """The application has another version than If-Match names: read it and decide again."""


class Unauthenticated(Problem):
    """The credential is missing or not good."""


class Forbidden(Problem):
    """The caller may not do this."""


class NotFound(Problem):
    """There is no such thing."""


class InvalidRequest(Problem):
    """The request does not fit its schema; `errors` says where."""


class HistoryRewound(Problem):
    """The end of the history that was read is lost: drop what was seen from `first_position` on."""

    @property
    def first_position(self) -> Any:
        """The first position that reads differently now."""
        return self.more.get("first_position")


class Unavailable(Problem):
    """The ledger cannot answer now, after all retries."""


class ServiceFault(Problem):
    """The ledger failed; its log says why."""


_BY_STATUS: Final[Mapping[int, type[Problem]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    410: HistoryRewound,
    412: VersionMismatch,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(subject: str, reply: Reply) -> Problem:
    """The error that an answer is."""
    if reply.status == 409:
        refused = bool(reply.problem()) and reply.problem().get("retryable") is not True
        return (Refused if refused else Conflict)(subject, reply)
    other = ServiceFault if reply.status >= 500 else InvalidRequest
    return _BY_STATUS.get(reply.status, other)(subject, reply)


def _text(reply: Reply) -> str:
    return f"HTTP {reply.status}: {reply.body[:_TEXT_MAX_CHARACTERS].decode(errors='replace')}"
