"""What the transparency log answers: checkpoints, tiles, entries, proofs, and the keys they are
checked with.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from lending.domain.signing import SigningKey
from lending.ledger.checkpoints import Origin
from lending.ledger.entries import read_entries
from lending.ledger.merkle import Leaves
from lending.ledger.notes import Verifier, decoded
from lending.ledger.proofs import InclusionProof
from lending.ledger.tiles import TILE_WIDTH, Bundle, Tile, encode_bundle
from lending.ledger.tree import (
    SQL,
    NotSealed,
    SignedCheckpoint,
    Tree,
    TreeReader,
    read_checkpoint_row,
    read_tree,
)
from lending.runtime.postgres import Connection, Pool
from lending.service.history import UnknownShard
from lending.service.registry import RegistryReader
from lending.service.requests import RequestFault

NAME: Final = "transparency_log"
"""What the tree over the log is called among the read models."""


class UnknownCheckpoint(RequestFault):
    """There is no checkpoint of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tree: how many leaves it has, and its head."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """That the tree `second` extends the tree `first` (RFC 9162, section 2.1.4)."""

    first: Head
    second: Head
    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that signs or signed, with the vkey it has in the present epoch."""

    key: SigningKey
    vkey: str


class TransparencyLog:
    """Answers of the logs of one ledger."""

    def __init__(
        self, pool: Pool, ledger_id: UUID, registries: Mapping[int, RegistryReader]
    ) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._registries = registries

    async def checkpoint(self, shard: int) -> SignedCheckpoint:
        """The newest checkpoint. Raises UnknownShard, NotSealed."""
        async with self._opened(shard) as (connection, _):
            return await newest_checkpoint(connection, shard)

    async def tile(self, shard: int, tile: Tile) -> bytes:
        """The hashes of a tile. Raises UnknownShard, NotSealed."""
        async with self._opened(shard) as (connection, tree):
            return await TreeReader(connection, tree).tile(tile)

    async def bundle(self, shard: int, bundle: Bundle) -> bytes:
        """The entries under a tile of the lowest level. Raises UnknownShard, NotSealed."""
        after = bundle.index * TILE_WIDTH
        async with self._opened(shard) as (connection, tree):
            if after + bundle.width > tree.size:
                raise NotSealed(tree.size)
            upto = after + bundle.width
            return encode_bundle(
                await read_entries(connection, self._ledger_id, shard, after, upto)
            )

    async def inclusion(self, shard: int, position: int, size: int | None) -> InclusionProof:
        """That the event at a position is in the tree of the checkpoint of `size`, else of the newest.

        Raises UnknownShard, NotSealed, UnknownCheckpoint.
        """
        async with self._opened(shard) as (connection, tree):
            if size is not None and size > tree.size:
                raise NotSealed(tree.size)
            if size is None:
                checkpoint = await newest_checkpoint(connection, shard)
            else:
                checkpoint = await checkpoint_of_size(connection, shard, size)
            if not 1 <= position <= checkpoint.size:
                raise NotSealed(checkpoint.size)
            hashes = await TreeReader(connection, tree).inclusion(position - 1, checkpoint.size)
        return InclusionProof(position - 1, hashes, checkpoint.note)

    async def consistency(self, shard: int, first: int, second: int) -> Consistency:
        """That the tree of `second` leaves extends that of `first`, which is not larger.

        Raises UnknownShard, NotSealed.
        """
        async with self._opened(shard) as (connection, tree):
            reader = TreeReader(connection, tree)
            hashes = await reader.consistency(first, second)
            roots = await reader.heads([Leaves(0, first), Leaves(0, second)])
        return Consistency(
            first=Head(size=first, root=roots[0]),
            second=Head(size=second, root=roots[1]),
            hashes=hashes,
        )

    async def keys(self, shard: int) -> Sequence[PublicKey]:
        """Every key that ever signed for a shard, the oldest first. Raises UnknownShard."""
        async with self._opened(shard):
            pass
        registry = (await self._registries[shard].refresh()).registry
        epoch = max(registry.epoch_starts, default=1)
        origin = str(Origin(self._ledger_id, shard, epoch))
        return [
            PublicKey(key=key, vkey=Verifier(origin, decoded(key.public_key, "a key")).vkey)
            for key in registry.signing_keys.keys.values()
        ]

    @asynccontextmanager
    async def _opened(self, shard: int) -> AsyncIterator[tuple[Connection, Tree]]:
        if shard not in self._registries:
            raise UnknownShard(f"there is no shard {shard}")
        async with self._pool.connection() as connection:
            tree = await read_tree(connection, shard)
            if tree is None:
                raise NotSealed(0)
            yield connection, tree


async def newest_checkpoint(connection: Connection, shard: int) -> SignedCheckpoint:
    """The newest checkpoint of a shard. Raises NotSealed."""
    found = await read_checkpoint_row(connection, "last_checkpoint", shard)
    if found is None:
        raise NotSealed(0)
    return found


async def checkpoint_of_size(connection: Connection, shard: int, size: int) -> SignedCheckpoint:
    """The last checkpoint of so many leaves. Raises UnknownCheckpoint, which names the nearest."""
    found = await read_checkpoint_row(connection, "checkpoint_of_size", shard, size=size)
    if found is None:
        asked = {"shard": shard, "size": size}
        nearest = await (await connection.execute(SQL["nearest_sizes"], asked)).fetchone()
        there = " and of ".join(str(one) for one in nearest or () if one is not None)
        named = f"; the nearest are of {there}" if there else ""
        raise UnknownCheckpoint(f"there is no checkpoint of {size} leaves{named}")
    return found
