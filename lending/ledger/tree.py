"""The tree over a shard's log as it is stored: full tiles, the edge behind them, checkpoints.

What belongs here: reading it, and what follows from it: heads of earlier sizes, proofs, tiles.
Building it is the sealing worker's affair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from lending.ledger.merkle import (
    HASH_BYTES,
    Edge,
    Leaves,
    Node,
    consistency_path,
    fold,
    inclusion_path,
)
from lending.ledger.tiles import (
    TILE_WIDTH,
    Tile,
    node_in_tile,
    split_hashes,
    tile_holding,
    width_at,
)
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

SQL: Final = load_queries(files("lending.ledger") / "tree.sql")
"""The statements of the tree."""

Place = tuple[int, int]
"""A tile: its level, and its index there."""


class TreeBroken(Exception):
    """A part of the stored tree is missing, or is not what it should be."""


class NotSealed(Exception):
    """What is asked for is beyond the end of the tree."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the log is sealed up to position {size}")
        self.size = size


@dataclass(frozen=True, slots=True)
class Tree:
    """A row of `transparency.trees`. `edge` holds the leaf hashes behind the last full tile."""

    shard: int
    known: Edge
    edge: tuple[bytes, ...]
    checkpoint: int
    state: str
    recorded_at: datetime | None

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self.known.size


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A row of `transparency.checkpoints`."""

    number: int
    epoch: int
    size: int
    root: bytes
    note: str


def tree_of(shard: int, row: tuple[Any, ...]) -> Tree:
    """A row of the statements `tree` and `claim`."""
    size, subtrees, edge, checkpoint, state, recorded_at = row
    known = Edge(size, tuple(split_hashes(bytes(subtrees))))
    return Tree(shard, known, tuple(split_hashes(bytes(edge))), checkpoint, state, recorded_at)


async def read_tree(connection: Connection, shard: int) -> Tree | None:
    """The tree of a shard; None where the ledger has no such shard."""
    row = await (await connection.execute(SQL["tree"], {"shard": shard})).fetchone()
    return None if row is None else tree_of(shard, row)


async def read_checkpoint_row(
    connection: Connection, name: str, shard: int, **asked: int
) -> SignedCheckpoint | None:
    """The checkpoint that a statement finds, if there is one."""
    row = await (await connection.execute(SQL[name], {"shard": shard, **asked})).fetchone()
    return None if row is None else SignedCheckpoint(*row)


class TreeReader:
    """Reads hashes of a stored tree over one connection."""

    def __init__(self, connection: Connection, tree: Tree) -> None:
        self._connection = connection
        self._tree = tree

    async def head_at(self, size: int) -> bytes:
        """The head of the tree of the first `size` leaves. Raises NotSealed, TreeBroken."""
        self._require(size)
        if size == self._tree.size:
            return self._tree.known.head()
        (head,) = await self.heads([Leaves(0, size)])
        return head

    async def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The proof that leaf `index` is in the tree of `size`. Raises NotSealed, ValueError."""
        self._require(size)
        return await self.heads(inclusion_path(index, size))

    async def inclusions(
        self, indexes: Iterable[int], size: int
    ) -> Mapping[int, tuple[bytes, ...]]:
        """The same for many leaves, by index, with as few statements as for one."""
        self._require(size)
        paths = {index: inclusion_path(index, size) for index in indexes}
        heads = iter(await self.heads([leaves for path in paths.values() for leaves in path]))
        return {index: tuple(next(heads) for _ in path) for index, path in paths.items()}

    async def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """The proof that the tree of `second` leaves extends that of `first`. Raises NotSealed,
        ValueError.
        """
        self._require(second)
        return await self.heads(consistency_path(first, second))

    async def heads(self, path: Iterable[Leaves]) -> tuple[bytes, ...]:
        """The heads of these subtrees, with one statement for all full tiles and one for each level
        of partial ones.
        """
        nodes = [leaves.nodes() for leaves in path]
        tiles = await self._tiles({tile_holding(node) for each in nodes for node in each})
        return tuple(fold([_node(node, tiles) for node in each]) for each in nodes)

    async def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile. Raises NotSealed where the tree is not so wide."""
        if tile.width > width_at(tile.level, tile.index, self._tree.size):
            raise NotSealed(self._tree.size)
        place = (tile.level, tile.index)
        return (await self._tiles({place}))[place][: tile.width * HASH_BYTES]

    def _require(self, size: int) -> None:
        if size > self._tree.size:
            raise NotSealed(self._tree.size)

    async def _tiles(self, places: set[Place]) -> Mapping[Place, bytes]:
        widths = {place: width_at(*place, self._tree.size) for place in places}
        full = [place for place, width in widths.items() if width == TILE_WIDTH]
        found = await self._full(full)
        for place, width in widths.items():
            if width < TILE_WIDTH:
                found[place] = await self._partial(place, width)
        missing = places - found.keys()
        if missing:
            raise TreeBroken(f"the tile {Tile(*min(missing)).path()} is missing")
        return found

    async def _full(self, places: Sequence[Place]) -> dict[Place, bytes]:
        if not places:
            return {}
        asked = {
            "shard": self._tree.shard,
            "levels": [level for level, _ in places],
            "indexes": [index for _, index in places],
        }
        rows = await (await self._connection.execute(SQL["full_tiles"], asked)).fetchall()
        return {(level, index): bytes(hashes) for level, index, hashes in rows}

    async def _partial(self, place: Place, width: int) -> bytes:
        level, index = place
        if level == 0:
            return b"".join(self._tree.edge)
        return b"".join(await read_heads(self._connection, self._tree.shard, level, index, width))


async def read_heads(
    connection: Connection, shard: int, level: int, index: int, width: int
) -> list[bytes]:
    """The first `width` hashes of a tile above the leaves: the heads of the tiles below it. Raises
    TreeBroken where one is missing.
    """
    first = index * TILE_WIDTH
    asked = {"shard": shard, "level": level - 1, "first": first, "end": first + width}
    rows = await (await connection.execute(SQL["heads"], asked)).fetchall()
    if len(rows) != width:
        raise TreeBroken(f"tiles under {Tile(level, index).path()} are missing")
    return [bytes(head) for _, head in rows]


def _node(node: Node, tiles: Mapping[Place, bytes]) -> bytes:
    return node_in_tile(node, tiles[tile_holding(node)])
