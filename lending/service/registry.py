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
from lending.runtime.postgres import Pool


@dataclass(frozen=True, slots=True)
class RegistryAt:
    """The registry at a version of its stream."""

    registry: Registry
    version: int


class Lane(Protocol):
    """What the service needs of an append lane."""

    async def submit(self, submission: Submission) -> Outcome: ...
    async def submit_group(self, group: Group) -> Sequence[Outcome | NotPlaced]: ...


class RegistryReader:
    """Keeps one shard's registry; `guard` makes the lane check that what was relied on still holds."""

    def __init__(self, shard: int, pool: Pool, codec: Codec) -> None:
        self._shard = shard
        self._pool = pool
        self._codec = codec
        self._known = RegistryAt(EMPTY_REGISTRY, 0)

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

    async def refresh(self) -> RegistryAt:
        """Read what the registry gained since it was last read."""
        stream = registry_id(self._shard)
        known = self._known
        async with self._pool.connection() as connection:
            while True:
                stretch = await read_stream(
                    connection, self._shard, stream, after_version=known.version
                )
                registry = known.registry
                for stored in stretch.events:
                    event = self._codec.decode(
                        stored.event_type, stored.schema_version, stored.data, NoKeyring()
                    )
                    registry = evolve_registry(
                        registry, cast(RegistryEvent, event), stored.position
                    )
                known = RegistryAt(registry, known.version + len(stretch.events))
                if stretch.complete:
                    break
        self._known = known
        return known

    def guard(self) -> StreamAppend:
        """No events, but the version: a command that carries it conflicts if the registry has
        moved.
        """
        return StreamAppend(
            application_id=registry_id(self._shard), expected_version=self._known.version
        )
