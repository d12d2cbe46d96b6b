"""The registry of a shard as this process knows it: read when it is needed, checked when it is
relied on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from lending.domain.identifiers import registry_id
from lending.domain.registry import EMPTY_REGISTRY, Registry, RegistryEvent, evolve_registry
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.read import read_stream
from lending.ledger.submission import Group, NotPlaced, Outcome, StreamAppend, Submission
from lending.runtime.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class RegistryAt:
    """The registry at a version of its stream."""

    registry: Registry
    version: int


class Lane(Protocol):
    """What the service needs of an append lane."""

    async def submit(self, submission: Submission) -> Outcome: ...
    async def submit_group(self, group: Group) -> Sequence[Outcome | NotPlaced]: ...
    async def room(self, group: Group, seconds: float) -> None: ...


class RegistryReader:
    """Keeps one shard's registry; `guard` makes the lane check that what was relied on still holds."""

    def __init__(self, shard: int, pool: Pool, codec: Codec) -> None:
        self._shard = shard
        self._pool = pool
        self._codec = codec
        self._known = RegistryAt(EMPTY_REGISTRY, 0)
        self._history = object()

    @property
    def known(self) -> RegistryAt:
        """The registry as it was read last."""
        return self._known

    @property
    def epoch(self) -> int:
        """The shard's epoch, as the registry was read last."""
        return max(self._known.registry.epoch_starts, default=1)

    def forget(self) -> None:
        """Read it from its beginning next time: its history may be another."""
        self._known = RegistryAt(EMPTY_REGISTRY, 0)
        self._history = object()

    async def refresh(self) -> RegistryAt:
        """Read what the registry gained since it was last read."""
        async with self._pool.connection() as connection:
            return await self.refresh_on(connection)

    async def refresh_on(self, connection: Connection, *, anew: bool = False) -> RegistryAt:
        """The same on a connection of the caller's; `anew` reads all of it, and nobody finds it
        empty meanwhile.

        Of two that read at once the one that saw less does not undo what the other saw.
        """
        while True:
            history = self._history
            start = RegistryAt(EMPTY_REGISTRY, 0) if anew else self._known
            found = await read_registry(connection, self._shard, self._codec, start)
            if history is self._history:
                break
        if anew:
            self._history = object()
        if anew or found.version > self._known.version:
            self._known = found
        return found

    def guard(self) -> StreamAppend:
        """No events, but the version: a command that carries it conflicts if the registry has
        moved.
        """
        return StreamAppend(
            application_id=registry_id(self._shard), expected_version=self._known.version
        )


async def read_registry(
    connection: Connection, shard: int, codec: Codec, known: RegistryAt
) -> RegistryAt:
    """The registry of a shard as it stands, from what is `known` of it on."""
    while True:
        stretch = await read_stream(
            connection, shard, registry_id(shard), after_version=known.version
        )
        registry = known.registry
        for stored in stretch.events:
            event = codec.decode(stored.event_type, stored.schema_version, stored.data, NoKeyring())
            registry = evolve_registry(registry, cast(RegistryEvent, event), stored.position)
        known = RegistryAt(registry, known.version + len(stretch.events))
        if stretch.complete:
            return known
