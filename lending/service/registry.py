"""The registry of a shard as this process knows it: read when it is needed, checked when it is
relied on.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from lending.domain.identifiers import registry_id
from lending.domain.registry import EMPTY_REGISTRY, Recorded, Registry, RegistryEvent, fold_registry
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.read import StoredEvent, read_stream
from lending.ledger.submission import Group, NotPlaced, Outcome, StreamAppend, Submission
from lending.runtime.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class RegistryAt:
    """The registry at a version of its stream.

    `leaf_hash` is that of the event of this version: where the log has another one there, its history
    is another. What was read on from the same beginning shares `reading`.
    """

    registry: Registry
    version: int
    leaf_hash: bytes = b""
    reading: object = field(default_factory=object, compare=False)


NOTHING_READ: Final = RegistryAt(EMPTY_REGISTRY, 0)
"""Before anything was read."""


class Lane(Protocol):
    """What the service needs of an append lane."""

    async def submit(self, submission: Submission) -> Outcome: ...
    async def submit_group(self, group: Group) -> Sequence[Outcome | NotPlaced]: ...
    async def room(self, group: Group, seconds: float) -> None: ...


class RegistryReader:
    """Keeps one shard's registry; `guard` makes the lane check that what was relied on still holds.

    Each reading goes on from what is known, once the log has shown that its history is the same.
    What is known stays until a reading is complete: nobody ever finds less than was known before.
    """

    def __init__(self, shard: int, pool: Pool, codec: Codec) -> None:
        self._shard = shard
        self._pool = pool
        self._codec = codec
        self._known = NOTHING_READ
        self._come = NOTHING_READ

    @property
    def known(self) -> RegistryAt:
        """The registry as it was read last."""
        return self._known

    def forget(self) -> None:
        """Have it read again before a command relies on it: its history may be another.

        What it says is still known. Nothing is ever appended behind version 0, where a registry
        begins; so a command that carries it as a guard is decided again.
        """
        self._known = RegistryAt(self._known.registry, 0)

    async def refresh(self) -> RegistryAt:
        """Read what the registry gained since it was last read."""
        async with self._pool.connection() as connection:
            return await self.refresh_on(connection)

    async def refresh_on(
        self, connection: Connection, *, patience_seconds: float | None = None
    ) -> RegistryAt:
        """The same on a connection of the caller's, which may take so long for each stretch.

        Of two that read at once the one that saw less does not undo what the other saw. Raises
        TimeoutError; the next one goes on from where this one stood.
        """
        while True:
            before = self._known
            found = await self._read(connection, patience_seconds)
            if found.reading is self._known.reading:
                if found.version > self._known.version:
                    self._known = found
                return self._known
            if self._known is before:
                self._known = found
                return found

    async def _read(self, connection: Connection, patience_seconds: float | None) -> RegistryAt:
        come, complete = self._come, False
        while not complete:
            async with asyncio.timeout(patience_seconds):
                come, complete = await _further(connection, self._shard, self._codec, come)
            self._come = come
        return come

    def guard(self, version: int) -> StreamAppend:
        """No events, but the version that was relied on: a command that carries it conflicts if the
        registry has moved.
        """
        return StreamAppend(application_id=registry_id(self._shard), expected_version=version)


async def read_registry(connection: Connection, shard: int, codec: Codec) -> RegistryAt:
    """The registry of a shard as it stands, read from its beginning."""
    come, complete = NOTHING_READ, False
    while not complete:
        come, complete = await _further(connection, shard, codec, come)
    return come


async def read_registry_before(
    connection: Connection, shard: int, codec: Codec, position: int
) -> Registry:
    """The registry as it was on record right before a position of the shard."""
    registry, version, complete = EMPTY_REGISTRY, 0, False
    while not complete:
        stretch = await read_stream(connection, shard, registry_id(shard), after_version=version)
        earlier = [one for one in stretch.events if one.position < position]
        registry = fold_registry(registry, _recorded(codec, earlier))
        version += len(earlier)
        complete = stretch.complete or len(earlier) < len(stretch.events)
    return registry


async def _further(
    connection: Connection, shard: int, codec: Codec, come: RegistryAt
) -> tuple[RegistryAt, bool]:
    """What is known after one more stretch, and whether that is all.

    The last event that is known is read again: where the log has another, or none, nothing is.
    """
    unproven = come.version > 0
    stretch = await read_stream(
        connection, shard, registry_id(shard), after_version=come.version - unproven
    )
    events = stretch.events
    if unproven:
        if not events or events[0].leaf_hash != come.leaf_hash:
            return RegistryAt(EMPTY_REGISTRY, 0), False
        events = events[1:]
    if not events:
        return come, stretch.complete
    registry = fold_registry(come.registry, _recorded(codec, events))
    version = come.version + len(events)
    return RegistryAt(registry, version, events[-1].leaf_hash, come.reading), stretch.complete


def _recorded(codec: Codec, events: Sequence[StoredEvent]) -> list[Recorded]:
    return [
        Recorded(
            cast(
                RegistryEvent,
                codec.decode(one.event_type, one.schema_version, one.data, NoKeyring()),
            ),
            one.position,
            one.recorded_at,
        )
        for one in events
    ]
