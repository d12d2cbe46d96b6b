"""What the tools take beside the fields of commands: one dataclass each, in the domain's vocabulary.

The fields of a command are nowhere here: they are read from the command's own dataclass.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from annotated_types import Ge, Le, MaxLen, MinLen

from lending.contract.work import RenewClaim
from lending.domain.application.commands import COMMANDS, Apply, command_name
from lending.domain.authority import Role
from lending.domain.fields import Pattern
from lending.domain.policies import Instant
from lending.runtime import limits

IdempotencyKey = Annotated[
    str,
    Pattern("^[ -~]+$"),
    MinLen(1),
    MaxLen(limits.IDEMPOTENCY_KEY_MAX_CHARACTERS),
]
Version = Annotated[int, Ge(1), Le(2**31 - 1)]
Cursor = Annotated[str, Pattern("^([0-9]{1,4}:)?[0-9]{1,18}(@[0-9]{1,9})?$")]
Items = Annotated[int, Ge(1), Le(limits.TOOL_PAGE_MAX_ITEMS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is said with the command that opens an application."""

    idempotency_key: IdempotencyKey
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What is said with a command on an application."""

    application_id: UUID
    idempotency_key: IdempotencyKey
    expected_version: Version | None = None
    dry_run: bool = False


class OfferAnswer(StrEnum):
    """What the applicant says to an offer."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering(Acting):
    """What is said with the applicant's answer to an offer."""

    answer: OfferAnswer


OtherCommand = StrEnum(  # type: ignore[misc]  # its members are the domain's commands
    "OtherCommand",
    {command_name(kind).upper(): command_name(kind) for kind in COMMANDS if kind is not Apply},
)
"""The commands on an application, by name."""

MEANINGS: Final = {
    "application_id": "The application, as apply_for_loan answered it.",
    "idempotency_key": (
        "Names this very step, e.g. task-118/decide. After a time-out or a retryable error call"
        " again with the same key: it is done once. A new step needs a new key."
    ),
    "expected_version": "Refuse if the application is no longer at this version.",
    "dry_run": "Answer what would happen; record nothing.",
}
"""What the fields that several tools share mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeing:
    """Which application to see, now or at an earlier moment."""

    application_id: UUID
    version: Version | None = None
    as_of: Instant | None = None
    effective_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """Which application to explain."""

    application_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingWork:
    """Whose work is looked for; without a role that of every role of whoever asks."""

    role: Role | None = None
    limit: Items = limits.TOOL_PAGE_DEFAULT_ITEMS


class ClaimAction(StrEnum):
    """What to do with a claim."""

    RENEW = "renew"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingClaim(RenewClaim):
    """Which claim to renew, for how long, or to release."""

    claim_id: UUID
    action: ClaimAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """From where to follow the feed, and how long to wait for something to happen."""

    after: Cursor = "0:0"
    limit: Items = limits.TOOL_PAGE_DEFAULT_ITEMS
    wait_seconds: Annotated[int, Ge(0), Le(limits.TOOL_WAIT_MAX_SECONDS)] = 0
    application_id: UUID | None = None
