"""Work, as it is said and answered: what asks for claims, and tasks and claims as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from annotated_types import Ge, Le

from lending.domain.authority import Principal, Role
from lending.domain.fields import Example
from lending.runtime import limits
from lending.service.work import Claim, Queue, Waiting

Seconds = Annotated[int, Ge(1), Le(limits.WORK_CLAIM_MAX_SECONDS), Example(300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWork:
    """Take the oldest tasks of a role that nobody holds, for so many seconds."""

    role: Annotated[Role, Example("risk")]
    limit: Annotated[int, Ge(1), Le(limits.WORK_CLAIM_MAX_ITEMS), Example(10)] = 1
    seconds: Seconds = limits.WORK_CLAIM_DEFAULT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewClaim:
    """Hold a claim for so many seconds from now on."""

    seconds: Seconds = limits.WORK_CLAIM_DEFAULT_SECONDS


_FREE: Final[Mapping[str, Any]] = {"claimed_until": None, "claim_id": None}


def task(waiting: Waiting, principal: Principal) -> dict[str, Any]:
    """A task. Which claim holds it is told to nobody but its holder."""
    found = {
        "application_id": waiting.application_id,
        "role": waiting.role,
        "command": waiting.command,
        "version": waiting.version,
        "waiting_since": waiting.since,
        "waiting_since_version": waiting.since_version,
        "age_seconds": waiting.age_seconds,
    }
    if waiting.claimed_until is None:
        return {**found, **_FREE}
    own = waiting.claimed_by == principal.name
    return {
        **found,
        "claimed_until": waiting.claimed_until,
        "claim_id": waiting.claim_id if own else None,
    }


def queue(found: Queue) -> dict[str, Any]:
    """How much waits for a command of a role."""
    return {
        "role": found.role,
        "command": found.command,
        "waiting": found.waiting,
        "claimed": found.claimed,
        "oldest_since": found.oldest_since,
        "oldest_age_seconds": found.oldest_age_seconds,
    }


def claim(held: Claim) -> dict[str, Any]:
    """A claim, to its holder."""
    return {
        "claim_id": held.claim_id,
        "application_id": held.application_id,
        "role": held.role,
        "command": held.command,
        "version": held.version,
        "waiting_since": held.since,
        "waiting_since_version": held.since_version,
        "claimed_at": held.claimed_at,
        "expires_at": held.expires_at,
    }
