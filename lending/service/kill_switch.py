"""The kill switch: suspend a principal, a policy or all automated decisions, and reinstate them.

Each is an event of the registry, with its reason. This process counts it at once; every other within
a second, and a decision that depends on it is not appended on a registry that has moved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from lending.domain.authority import Principal
from lending.domain.identifiers import registry_id
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
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.leaf import Provenance
from lending.ledger.submission import Committed, EncodedEvent, StreamAppend, Submission, Verdict
from lending.runtime import limits
from lending.service.authority import asking_of
from lending.service.permissions import require_acting
from lending.service.principals import TOKEN_PREFIX
from lending.service.registry import Lane, RegistryReader
from lending.service.requests import Contended, PrincipalSuspended, RequestFault


class WrongName(RequestFault):
    """A principal and a policy have a name, all automated decisions have none."""


class PolicyNotPublished(RequestFault):
    """No policy of this name was published."""


class PrincipalNotRegistered(RequestFault):
    """No principal of this name is registered: a slip of the pen must not pass for a stop."""


class TooManySuspended(RequestFault):
    """As many principals and policies are suspended as may be. Reinstate some first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who throws the switch. `authority` is what is recorded of what they may do."""

    principal: Principal
    correlation_id: str
    on_behalf_of: str | None = None
    authority: bytes | None = None


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

    def __init__(
        self, shard: int, lane: Lane, registry: RegistryReader, new_id: Callable[[int], UUID]
    ) -> None:
        self._shard = shard
        self._lane = lane
        self._registry = registry
        self._new_id = new_id
        self._codec = Codec()

    async def standing(self) -> Registry:
        """The registry as it is at this moment."""
        return (await self._registry.refresh()).registry

    async def throw(self, command: Suspend | Reinstate, operator: Operator) -> Switched:
        """Do what `command` says, unless it is so already. Raises RequestFault, LaneFault.

        Nobody who is suspended does, not even to reinstate themselves.
        """
        require_acting(operator.principal, operator.on_behalf_of)
        event = _event(command)
        if (event.subject is Subject.AUTOMATION) != (event.name is None):
            raise WrongName("a principal and a policy have one, all automated decisions have none")
        for _ in range(limits.DECISION_RETRIES_MAX):
            known = await self._registry.refresh()
            registry = known.registry
            asking = asking_of(registry, operator.principal, operator.on_behalf_of)
            if asking.suspension is not None:
                raise PrincipalSuspended(asking.suspension.reason)
            if isinstance(event, Suspended):
                _check(event, registry)
            stands = registry.suspensions.of(event.subject, event.name)
            if _already_so(event, stands):
                return Switched(
                    subject=event.subject,
                    name=event.name,
                    suspended=stands is not None,
                    reason=None if stands is None else stands.reason,
                    position=None if stands is None else stands.position,
                    changed=False,
                )
            outcome = await self._lane.submit(self._submission(event, operator, known.version))
            if isinstance(outcome, Committed):
                await self._registry.refresh()
                return Switched(
                    subject=event.subject,
                    name=event.name,
                    suspended=isinstance(event, Suspended),
                    reason=event.reason,
                    position=outcome.last_position,
                    changed=True,
                )
        raise Contended(0)

    def _submission(self, event: SuspensionEvent, operator: Operator, version: int) -> Submission:
        stream = registry_id(self._shard)
        encoded = EncodedEvent(
            event.stored_as,
            event.schema_version,
            canonical_json(self._codec.encode(event, NoKeyring(), "")),
        )
        return Submission(
            principal=operator.principal.name,
            target=stream,
            key=None,
            fingerprint=b"",
            command="suspend" if isinstance(event, Suspended) else "reinstate",
            verdict=Verdict.ACCEPTED,
            streams=[
                StreamAppend(application_id=stream, expected_version=version, events=[encoded])
            ],
            provenance=Provenance(
                actor=operator.principal.name,
                actor_kind=operator.principal.kind,
                on_behalf_of=operator.on_behalf_of,
                command_id=self._new_id(self._shard),
                correlation_id=operator.correlation_id,
                authority=operator.authority,
            ),
        )


def _event(command: Suspend | Reinstate) -> SuspensionEvent:
    kind = Suspended if isinstance(command, Suspend) else Reinstated
    return kind(subject=command.subject, reason=command.reason, name=command.name)


def _already_so(event: SuspensionEvent, stands: Suspension | None) -> bool:
    """Suspended already for this reason, or not suspended at all."""
    if isinstance(event, Reinstated):
        return stands is None
    return stands is not None and stands.reason == event.reason


def _check(event: Suspended, registry: Registry) -> None:
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
        written for name, version in registry.policies for written in (name, f"{name}@{version}")
    }
