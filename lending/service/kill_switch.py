"""The kill switch: suspend a principal, a policy or all automated decisions, and reinstate them.

Each is an event of the registry, with its reason. This process counts it at once; every other within
a second, and a decision that depends on it is not appended on a registry that has moved.
"""

from dataclasses import dataclass

from lending.domain.registry import Registry
from lending.domain.suspensions import (
    Reinstate,
    Reinstated,
    Subject,
    Suspend,
    Suspended,
    Suspension,
    SuspensionEvent,
)
from lending.runtime import limits
from lending.service.principals import TOKEN_PREFIX
from lending.service.registry_writing import Operator, RegistryWriter
from lending.service.requests import RequestFault


class WrongName(RequestFault):
    """A principal and a policy have a name, all automated decisions have none."""


class PolicyNotPublished(RequestFault):
    """No policy of this name was published."""


class PrincipalNotRegistered(RequestFault):
    """No principal of this name is registered: a slip of the pen must not pass for a stop."""


class TooManySuspended(RequestFault):
    """As many principals and policies are suspended as may be. Reinstate some first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What stands after an act.

    `reason` and `position` are those of the act, or where it was so already of the suspension that
    stands, if one does. `changed` says whether the act was recorded.
    """

    subject: Subject
    name: str | None
    suspended: bool
    reason: str | None
    position: int | None
    changed: bool


class KillSwitch:
    """Suspends and reinstates, in the registry of one shard."""

    def __init__(self, writer: RegistryWriter) -> None:
        self._writer = writer

    async def standing(self) -> Registry:
        """The registry as it is at this moment."""
        return await self._writer.standing()

    async def throw(self, command: Suspend | Reinstate, operator: Operator) -> Switched:
        """Do what `command` says, unless it is so already. Raises RequestFault, LaneFault.

        Nobody who is suspended does, not even to reinstate themselves.
        """
        event = _event(command)

        def decide(registry: Registry) -> SuspensionEvent | None:
            _check(event, registry)
            stands = registry.suspensions.of(event.subject, event.name)
            return None if _already_so(event, stands) else event

        act = "suspend" if isinstance(event, Suspended) else "reinstate"
        written = await self._writer.write(act, operator, decide)
        if written.position is not None:
            return Switched(
                subject=event.subject,
                name=event.name,
                suspended=isinstance(event, Suspended),
                reason=event.reason,
                position=written.position,
                changed=True,
            )
        stands = written.registry.suspensions.of(event.subject, event.name)
        return Switched(
            subject=event.subject,
            name=event.name,
            suspended=stands is not None,
            reason=None if stands is None else stands.reason,
            position=None if stands is None else stands.position,
            changed=False,
        )


def _event(command: Suspend | Reinstate) -> SuspensionEvent:
    kind = Suspended if isinstance(command, Suspend) else Reinstated
    return kind(subject=command.subject, reason=command.reason, name=command.name)


def _already_so(event: SuspensionEvent, stands: Suspension | None) -> bool:
    """Suspended already for this reason, or not suspended at all."""
    if isinstance(event, Reinstated):
        return stands is None
    return stands is not None and stands.reason == event.reason


def _check(event: SuspensionEvent, registry: Registry) -> None:
    if (event.subject is Subject.AUTOMATION) != (event.name is None):
        raise WrongName("a principal and a policy have one, all automated decisions have none")
    if isinstance(event, Suspended):
        _check_suspending(event, registry)


def _check_suspending(event: Suspended, registry: Registry) -> None:
    if event.subject is Subject.POLICY and event.name not in _policies(registry):
        raise PolicyNotPublished(f"no policy {event.name} was published")
    if event.subject is Subject.PRINCIPAL and not _known(event.name or "", registry):
        raise PrincipalNotRegistered(
            f"no principal {event.name} is registered; who comes with a token is named"
            f" {TOKEN_PREFIX}SUBJECT"
        )
    standing = registry.suspensions.standing
    if len(standing) >= limits.SUSPENSIONS_MAX and (event.subject, event.name) not in standing:
        raise TooManySuspended(f"at most {limits.SUSPENSIONS_MAX} suspensions stand at once")


def _known(name: str, registry: Registry) -> bool:
    """Whether there is a principal of this name; of those who come with tokens nobody knows."""
    return name.startswith(TOKEN_PREFIX) or name in registry.identities.principals


def _policies(registry: Registry) -> set[str]:
    return {
        written
        for name, version in registry.policies.on_record
        for written in (name, f"{name}@{version}")
    }
