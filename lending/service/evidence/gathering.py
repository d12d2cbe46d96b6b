"""Gathers evidence: the events of an application as they are hashed, what they cite, and proofs.

Everything is read up to one checkpoint, the newest or one of a size that is asked for: the same
checkpoint gives the same evidence. What is not sealed yet is waited for, a bounded time, and then
told; it is never left out.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from lending.domain.application.events import Event
from lending.domain.application.evolve import evolve
from lending.domain.application.state import INITIAL, Application
from lending.domain.identifiers import is_application_id, registry_id, shard_of
from lending.domain.registry import Registry
from lending.domain.signing import (
    NO_SIGNING_KEYS,
    SigningKeyIssued,
    SigningKeyRevoked,
    evolve_signing_keys,
)
from lending.domain.subjects import SubjectErased
from lending.ledger.canonical import canonical_json
from lending.ledger.checkpoints import read_checkpoint
from lending.ledger.codec import Codec, MalformedEvent, NoKeyring, Seal
from lending.ledger.leaf import columns, leaf_entry
from lending.ledger.proofs import InclusionProof
from lending.ledger.read import StoredEvent, read_stream
from lending.ledger.sealing import MasterKey, SealBroken, WrappedKey
from lending.ledger.tree import NotSealed, SignedCheckpoint, TreeReader, read_tree
from lending.runtime.clock import loop_seconds
from lending.runtime.postgres import Connection, Pool
from lending.runtime.sql import load_queries
from lending.service.evidence import citations, limits
from lending.service.evidence.model import (
    Evidence,
    NotSealedYet,
    ProvenEvent,
    TooMuchEvidence,
)
from lending.service.evidence.persons import Showing, shown
from lending.service.history import UnknownMoment, envelope_of
from lending.service.registry import RegistryReader
from lending.service.requests import UnknownApplication
from lending.service.transparency.log import checkpoint_of_size, newest_checkpoint

_SQL: Final = load_queries(files("lending.service.evidence") / "statements.sql")


class _Read(NamedTuple):
    """What was read of the log up to a checkpoint, not proven yet."""

    checkpoint: SignedCheckpoint
    events: Sequence[StoredEvent]
    records: Sequence[StoredEvent]
    subject_keys: Sequence[WrappedKey]
    erased: frozenset[str]
    proofs: Mapping[int, tuple[bytes, ...]]


class Gathering:
    """Gathers the evidence of one ledger, a few at a time."""

    def __init__(
        self,
        *,
        pool: Pool,
        ledger_id: UUID,
        registries: Mapping[int, RegistryReader],
        codec: Codec,
        master: MasterKey,
    ) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._registries = registries
        self._codec = codec
        self._master = master
        self._room = asyncio.Semaphore(limits.EVIDENCE_AT_ONCE_MAX)

    @asynccontextmanager
    async def of(
        self, application_id: UUID, *, size: int | None = None, personal: bool = False
    ) -> AsyncIterator[Evidence]:
        """The evidence of an application, under the checkpoint of `size`, else the newest one that
        covers it; `personal` shows what is personal. Few blocks run at once, for it may be large.

        Raises UnknownApplication, UnknownMoment where it had no event by then, UnknownCheckpoint,
        NotSealed, NotSealedYet among them, TooMuchEvidence, SealBroken.
        """
        if (
            not is_application_id(application_id)
            or shard_of(application_id) not in self._registries
        ):
            raise UnknownApplication(application_id)
        await self._sealed(application_id, size)
        async with self._room:
            registry = (await self._registries[shard_of(application_id)].refresh()).registry
            async with self._pool.connection() as connection:
                read = await _read(connection, application_id, size, registry)
            yield await asyncio.to_thread(self._made, application_id, read, personal)

    async def _sealed(self, application_id: UUID, size: int | None) -> None:
        """Wait until the newest event of the application is under a checkpoint."""
        shard = shard_of(application_id)
        asked = {"shard": shard, "application_id": application_id}
        deadline = loop_seconds() + limits.EVIDENCE_SEALING_WAIT_SECONDS
        newest: int | None = None
        while True:
            async with self._pool.connection() as connection:
                if newest is None:
                    newest = await _newest(connection, asked)
                if newest is None:
                    raise UnknownApplication(application_id)
                if size is not None:
                    return
                sealed = await _sealed_to(connection, shard)
            if sealed >= newest:
                return
            if loop_seconds() >= deadline:
                raise NotSealedYet(sealed, newest)
            await asyncio.sleep(limits.EVIDENCE_SEALING_POLL_SECONDS)

    def _made(self, application_id: UUID, read: _Read, personal: bool) -> Evidence:
        master = self._master if personal else None
        persons = shown(application_id, read.subject_keys, read.erased, master)
        showing, nobody = Showing(application_id, persons), NoKeyring()
        events = [self._proven(one, read, showing) for one in read.events]
        records = [self._proven(one, read, nobody) for one in read.records]
        opened = [value for one in read.events for value in showing.opened(one)] if personal else []
        issued = NO_SIGNING_KEYS
        for one in records:
            if isinstance(one.event, SigningKeyIssued | SigningKeyRevoked):
                issued = evolve_signing_keys(issued, one.event, one.stored.position)
        return Evidence(
            ledger_id=self._ledger_id,
            shard=shard_of(application_id),
            application_id=application_id,
            checkpoint=read_checkpoint(read.checkpoint.note),
            note=read.checkpoint.note,
            events=events,
            records=records,
            keys=list(issued.keys.values()),
            persons=persons,
            opened=opened,
            state=_state(events),
            personal=personal,
        )

    def _proven(self, stored: StoredEvent, read: _Read, keyring: Seal) -> ProvenEvent:
        data = canonical_json(stored.data)
        index = stored.position - 1
        proof = InclusionProof(index, read.proofs[index], read.checkpoint.note).text()
        entry = leaf_entry(self._ledger_id, columns(envelope_of(stored)), data)
        try:
            event = self._codec.decode(
                stored.event_type, stored.schema_version, stored.data, keyring
            )
        except (MalformedEvent, SealBroken) as fault:
            return ProvenEvent(stored, entry, data, proof, f"it cannot be read: {fault}")
        return ProvenEvent(stored, entry, data, proof, event)


async def _newest(connection: Connection, asked: Mapping[str, Any]) -> int | None:
    row = await (await connection.execute(_SQL["newest"], asked)).fetchone()
    return None if row is None else int(row[0])


async def _sealed_to(connection: Connection, shard: int) -> int:
    try:
        return (await newest_checkpoint(connection, shard)).size
    except NotSealed:
        return 0


async def _read(
    connection: Connection, application_id: UUID, size: int | None, registry: Registry
) -> _Read:
    shard = shard_of(application_id)
    tree = await read_tree(connection, shard)
    if tree is None or (size is not None and size > tree.size):
        raise NotSealed(0 if tree is None else tree.size)
    checkpoint = await (
        newest_checkpoint(connection, shard)
        if size is None
        else checkpoint_of_size(connection, shard, size)
    )
    # The checkpoint may be newer than the tree that was read, and needs no more than its own leaves.
    tree = await read_tree(connection, shard) or tree
    events, keys = await _events(connection, application_id, checkpoint.size)
    records = await _records(
        connection, shard, checkpoint.size, citations.cited(events, registry.policies)
    )
    asked = {
        "shard": shard,
        "application_id": application_id,
        "event_type": SubjectErased.stored_as,
    }
    erased = await (await connection.execute(_SQL["erased"], asked)).fetchall()
    indexes = [one.position - 1 for one in (*events, *records)]
    proofs = await _proofs(TreeReader(connection, tree), indexes, checkpoint.size)
    named = frozenset(str(row[0]) for row in erased)
    return _Read(checkpoint, events, records, keys, named, proofs)


async def _events(
    connection: Connection, application_id: UUID, size: int
) -> tuple[Sequence[StoredEvent], Sequence[WrappedKey]]:
    """The events of an application up to the position `size`, and the keys of its persons."""
    events: list[StoredEvent] = []
    complete, keys, size_bytes = False, list[WrappedKey](), 0
    while not complete:
        stretch = await read_stream(
            connection, shard_of(application_id), application_id, after_version=len(events)
        )
        kept = [one for one in stretch.events if one.position <= size]
        events, keys = events + kept, stretch.subject_keys
        complete = stretch.complete or len(kept) < len(stretch.events)
        size_bytes += sum(len(canonical_json(one.data)) for one in kept)
        _require_room(application_id, events, size_bytes)
    if not events:
        raise UnknownMoment(f"application {application_id} had no event up to position {size}")
    return events, keys


def _require_room(application_id: UUID, events: Sequence[StoredEvent], size_bytes: int) -> None:
    most = limits.EVIDENCE_MAX_EVENTS
    if size_bytes > limits.EVIDENCE_MAX_BYTES:
        raise TooMuchEvidence(
            f"the data of application {application_id} alone have more than"
            f" {limits.EVIDENCE_MAX_BYTES} bytes; ask for it as it was under an earlier checkpoint"
        )
    if len(events) > most:
        raise TooMuchEvidence(
            f"application {application_id} has more than {most} events; ask for it as it was under an"
            f" earlier checkpoint, such as one of {events[most - 1].position} leaves or little more"
        )


async def _records(
    connection: Connection, shard: int, size: int, wanted: Sequence[citations.Wanted]
) -> Sequence[StoredEvent]:
    asked = {
        "shard": shard,
        "registry": registry_id(shard),
        "size": size,
        "always": list(citations.ALWAYS),
        "types": [one[0] for one in wanted],
        "names": [one[1] for one in wanted],
        "versions": [one[2] for one in wanted],
        "limit": limits.EVIDENCE_MAX_RECORDS + 1,
    }
    rows = await (await connection.execute(_SQL["records"], asked)).fetchall()
    if len(rows) > limits.EVIDENCE_MAX_RECORDS:
        raise TooMuchEvidence(
            f"the events cite more than {limits.EVIDENCE_MAX_RECORDS} events of the registry"
        )
    return [StoredEvent(*row) for row in rows]


async def _proofs(
    reader: TreeReader, indexes: Sequence[int], size: int
) -> Mapping[int, tuple[bytes, ...]]:
    found: dict[int, tuple[bytes, ...]] = {}
    for some in _some(indexes, limits.EVIDENCE_PROOFS_AT_ONCE):
        found |= await reader.inclusions(some, size)
    return found


def _some(indexes: Sequence[int], at_once: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(indexes), at_once):
        yield indexes[begin : begin + at_once]


def _state(events: Sequence[ProvenEvent]) -> Application | None:
    """What the events come to; None where one cannot be read."""
    state = INITIAL
    try:
        for one in events:
            state = evolve(state, cast(Event, one.event), one.stored)
    except Exception:  # noqa: BLE001 a history that was broken is evidence too
        return None
    return state
