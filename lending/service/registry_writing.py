"""Acts of principals that go on record in a registry, through the lane that commands go through.

What belongs here: who acts, and appending to the registry what is decided of it as it stands. What
may be done, and when it is done already, is said by each kind of act.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from lending.domain.authority import Principal
from lending.domain.identifiers import registry_id
from lending.domain.registry import Registry, RegistryEvent
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.leaf import Provenance
from lending.ledger.submission import Committed, EncodedEvent, StreamAppend, Submission, Verdict
from lending.runtime import limits
from lending.service.authority import asking_of
from lending.service.permissions import require_acting
from lending.service.registry import Lane, RegistryReader
from lending.service.requests import Contended, PrincipalSuspended

OnRecord = TypeVar("OnRecord")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts. `authority` is what is recorded of what they may do."""

    principal: Principal
    correlation_id: str
    on_behalf_of: str | None = None
    authority: bytes | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The registry after an act, and where the act stands in the log: nowhere if it was so already."""

    registry: Registry
    position: int | None

    def leaves(self, on_record: OnRecord) -> "Act[OnRecord]":
        """The act that left `on_record`, as the registry has it now."""
        return Act(on_record, self.position is not None)


@dataclass(frozen=True, slots=True)
class Act(Generic[OnRecord]):
    """What is on record after an act, and whether the act was recorded or it was so already."""

    on_record: OnRecord
    changed: bool


@dataclass(frozen=True, slots=True)
class Writing:
    """An event of the registry, and what is appended to other streams with it: all or none."""

    event: RegistryEvent
    streams: Sequence[StreamAppend] = ()


class RegistryWriter:
    """Appends to the registry of one shard what holds of it at that very moment."""

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

    async def write(
        self, act: str, operator: Operator, decide: Callable[[Registry], RegistryEvent | None]
    ) -> Written:
        """Record what `decide` makes of the registry, None being: it is so already.

        It is asked again where the registry has moved meanwhile. Nobody who is suspended acts. Raises
        what `decide` raises, RequestFault, LaneFault.
        """

        async def decided(registry: Registry) -> Writing | None:
            event = decide(registry)
            return None if event is None else Writing(event)

        return await self.write_with(act, operator, decided)

    async def write_with(
        self,
        act: str,
        operator: Operator,
        decide: Callable[[Registry], Awaitable[Writing | None]],
    ) -> Written:
        """The same with other streams: it is asked again where one of them has moved."""
        require_acting(operator.principal, operator.on_behalf_of)
        for _ in range(limits.DECISION_RETRIES_MAX):
            known = await self._registry.refresh()
            asking = asking_of(known.registry, operator.principal, operator.on_behalf_of)
            if asking.suspension is not None:
                raise PrincipalSuspended(asking.suspension.reason)
            writing = await decide(known.registry)
            if writing is None:
                return Written(known.registry, None)
            submission = self._submission(act, writing, operator, known.version)
            outcome = await self._lane.submit(submission)
            if isinstance(outcome, Committed):
                return Written((await self._registry.refresh()).registry, outcome.last_position)
        raise Contended(0)

    def _submission(
        self, act: str, writing: Writing, operator: Operator, version: int
    ) -> Submission:
        stream, event = registry_id(self._shard), writing.event
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
            command=act,
            verdict=Verdict.ACCEPTED,
            streams=[
                StreamAppend(application_id=stream, expected_version=version, events=[encoded]),
                *writing.streams,
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
