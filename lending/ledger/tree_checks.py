"""Holding the tree over the log against the log, and every checkpoint against both.

What belongs here: the log's leaf hashes and those that were sealed, walked side by side, each with
the tree over it, and every checkpoint held against both. What bears the checkpoints out is what was
recorded: so a changed log, a changed tree and a history that was rewritten whole are told apart. It
goes through the log once, in order, whatever its length, with a tile of each level in memory. That
leaf hashes are those of the events is another check (`lending.ledger.verification`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from lending.ledger.checkpoint_claims import (
    CHECKPOINT,
    Claimed,
    KeyOnRecord,
    published_claims,
    stored_claims,
)
from lending.ledger.findings import Discrepancy, Finding, Findings, Suspects
from lending.ledger.merkle import Edge, perfect_head
from lending.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, split_hashes
from lending.ledger.tree import SQL, Tree, read_tree
from lending.ledger.verification import ShardOfLog
from lending.runtime.postgres import Connection

TREE: Final = "tree"
"""The column of findings about the stored tree."""

_PAGE_TILES: Final = 32


class Beyond(NamedTuple):
    """Something that covers more events than the log has: what it is, how many, in which column, and
    the application of the first of them where that is known.
    """

    place: str
    size: int
    column: str
    application_id: UUID | None = None


@dataclass(slots=True)
class Held:
    """How many checkpoints of at least one event were held against the log and bear it out, or the
    leaves that were sealed: those stored, and those published outside.
    """

    stored: int = 0
    published: int = 0

    def count(self, *, outside: bool) -> None:
        """Count one more."""
        if outside:
            self.published += 1
        else:
            self.stored += 1

    def add(self, other: "Held") -> None:
        """Count those of another shard too."""
        self.stored += other.stored
        self.published += other.published


@dataclass(slots=True)
class TreeCheck:
    """What walking the tree came to. `suspects` are positions where log and tree do not agree;
    `forged` says that the checkpoints bear out the log there, and `beyond` is what covers more than
    the log has.
    """

    findings: Findings = field(default_factory=Findings)
    suspects: Suspects = field(default_factory=Suspects)
    beyond: list[Beyond] = field(default_factory=list)
    held: Held = field(default_factory=Held)
    sealed_size: int = 0
    forged: bool = False


async def check_tree(
    connection: Connection,
    log: ShardOfLog,
    keys: Sequence[KeyOnRecord],
    published: Iterable[tuple[str, str]] = (),
) -> TreeCheck:
    """What is wrong with the tree over a shard's log, and with its checkpoints.

    `published` are notes from outside the database, each behind the place it was read from, and
    read before the snapshot that the connection is in. They are held against the log whatever is
    left of the tree.
    """
    tree = await read_tree(connection, log.shard)
    claims, findings = await stored_claims(connection, log, tree, keys)
    outside, more = published_claims(log, published, keys)
    claims = [claim for claim in (*claims, *outside) if claim.size and not claim.given_up(log)]
    head, tiled = await _head(connection, log.shard), await _tiled(connection, log.shard)
    sealed = _Sealed.without_row(tiled) if tree is None else _Sealed.of(tree)
    end = max(head, min(sealed.size, tiled + len(sealed.edge)))
    walk = _Walk(connection, log, sealed, end, claims)
    walk.found.findings.add([*findings, *more])
    found = await walk.through()
    if tree is None:
        found.findings.add([_tree_finding(None, _without_tree(found.held))])
    return found


async def _head(connection: Connection, shard: int) -> int:
    row = await (await connection.execute(SQL["around"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[2])


async def _tiled(connection: Connection, shard: int) -> int:
    """How many leaves are in full tiles."""
    row = await (await connection.execute(SQL["tile_count"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0]) * TILE_WIDTH


def _without_tree(held: Held) -> str:
    lost = "the log has no tree: its row in transparency.trees is gone"
    if held.stored or held.published:
        return f"{lost}; checkpoints that bear the log out: {held.stored} stored, {held.published} published"
    return f"{lost}; no checkpoint, stored or published, bears the log out"


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What is stored of the tree: how many leaves, those behind the last full tile, and the subtrees
    it is known by. Without its row the full tiles are all there is.
    """

    size: int
    edge: tuple[bytes, ...] = ()
    known: Edge | None = None

    @classmethod
    def of(cls, tree: Tree) -> "_Sealed":
        return cls(tree.size, tree.edge, tree.known)

    @classmethod
    def without_row(cls, tiled: int) -> "_Sealed":
        return cls(tiled)

    def is_known_as(self, edge: Edge) -> bool:
        return self.known is None or self.known == edge


@dataclass(slots=True)
class _Tile:
    """A tile's width of the log: its leaves by place, None where an event is missing, and those that
    were sealed, which are the log's own from the end of the tree on.
    """

    index: int
    leaves: list[bytes | None]
    sealed: list[bytes]
    head: bytes | None


class _Walk:
    """Goes through the log of a shard, tile by tile."""

    def __init__(
        self,
        connection: Connection,
        log: ShardOfLog,
        stored: _Sealed,
        end: int,
        claims: Iterable[Claimed],
    ) -> None:
        self.found = TreeCheck(sealed_size=stored.size)
        self._connection = connection
        self._shard = log.shard
        self._tree = stored
        self._end = end
        self._claims = sorted(claims, key=lambda claim: claim.size, reverse=True)
        self._sealed = Edge()
        # None as long as they are the same, False once an event is missing
        self._log: Edge | bool | None = None
        self._upper: dict[int, list[bytes]] = {}
        self._borne_out = {False: 0, True: 0}
        self._contradicted: set[bool] = set()
        self._for_log = self._for_sealed = False

    async def through(self) -> TreeCheck:
        """Go through all of it."""
        for first in range(0, self._tiles(), _PAGE_TILES):
            for tile in await self._read(first, min(first + _PAGE_TILES, self._tiles())):
                await self._take(tile)
        self.found.beyond = [Beyond(claim.place, claim.size, CHECKPOINT) for claim in self._claims]
        self.found.forged = self._for_log and not self._for_sealed
        return self.found

    def _tiles(self) -> int:
        return -(-self._end // TILE_WIDTH)

    # reading

    async def _read(self, first: int, end: int) -> list[_Tile]:
        leaves = await self._leaves(first * TILE_WIDTH, min(end * TILE_WIDTH, self._end))
        stored = await self._stored(0, range(first, end))
        heads = await self._heads(0, first, end)
        return [
            self._tile(index, leaves, stored.get(index), heads.get(index))
            for index in range(first, end)
        ]

    async def _leaves(self, after: int, upto: int) -> dict[int, bytes]:
        asked = {"shard": self._shard, "after": after, "upto": upto}
        cursor = self._connection.cursor(binary=True)
        return dict(await (await cursor.execute(SQL["leaves_between"], asked)).fetchall())

    async def _stored(self, level: int, indexes: Iterable[int]) -> dict[int, bytes]:
        places = list(indexes)
        asked = {"shard": self._shard, "levels": [level] * len(places), "indexes": places}
        cursor = self._connection.cursor(binary=True)
        rows = await (await cursor.execute(SQL["full_tiles"], asked)).fetchall()
        return {index: hashes for _, index, hashes in rows}

    async def _heads(self, level: int, first: int, end: int) -> dict[int, bytes]:
        asked = {"shard": self._shard, "level": level, "first": first, "end": end}
        cursor = self._connection.cursor(binary=True)
        return dict(await (await cursor.execute(SQL["heads"], asked)).fetchall())

    def _tile(
        self, index: int, leaves: dict[int, bytes], stored: bytes | None, head: bytes | None
    ) -> _Tile:
        begin = index * TILE_WIDTH
        end = min(begin + TILE_WIDTH, self._end)
        own = [leaves.get(position) for position in range(begin + 1, end + 1)]
        full = begin + TILE_WIDTH <= self._tree.size
        if full and stored is None:
            text = f"the tile {index} of level 0 is missing"
            self.found.findings.add([_tree_finding(begin + 1, text)])
        sealed = split_hashes(stored) if full and stored else []
        if not full and begin < self._tree.size:
            sealed = list(self._tree.edge)
        behind = [leaf or bytes(32) for leaf in own[len(sealed) :]]
        return _Tile(index, own, [*sealed, *behind], head)

    # comparing

    async def _take(self, tile: _Tile) -> None:
        begin = tile.index * TILE_WIDTH
        differing = [
            place
            for place, (leaf, sealed) in enumerate(zip(tile.leaves, tile.sealed, strict=True))
            if leaf != sealed
        ]
        for place in differing:
            self.found.suspects.add(begin + place + 1)
        if differing and self._log is None:
            self._log = self._sealed
        self._grow(tile)
        if begin + TILE_WIDTH <= self._tree.size:
            await self._check_upper(tile)

    def _grow(self, tile: _Tile) -> None:
        """Grow both trees by the tile, with a halt at each checkpoint's size."""
        begin, done = tile.index * TILE_WIDTH, 0
        while done < len(tile.sealed):
            end = min(self._next_halt(begin + done) - begin, len(tile.sealed))
            self._sealed = self._sealed.grown(tile.sealed[done:end])
            if isinstance(self._log, Edge):
                self._log = _grown(self._log, tile.leaves[done:end])
            done = end
            if begin + done == self._tree.size and not self._tree.is_known_as(self._sealed):
                text = "the subtrees it is known by are not those of its leaves"
                self.found.findings.add([_tree_finding(self._tree.size, text)])
            while self._claims and self._claims[-1].size == begin + done:
                self._compare(self._claims.pop())

    def _next_halt(self, size: int) -> int:
        """The next size behind `size` at which there is something to compare."""
        sizes = (self._claims[-1].size if self._claims else self._end, self._tree.size)
        return min((one for one in sizes if one > size), default=self._end)

    def _compare(self, claim: Claimed) -> None:
        """Whether log or tree bears out a checkpoint. What contradicts the first one that does not
        hold contradicts those behind it, so one stored and one published are told of.
        """
        own = self._log.head() if isinstance(self._log, Edge) else None
        sealed = self._sealed.head()
        by_sealed = claim.root == sealed
        by_log = claim.root == own if self._log is not None else by_sealed
        if by_sealed != by_log:
            self._for_sealed |= by_sealed
            self._for_log |= by_log
        if by_sealed or by_log:
            self._borne_out[claim.outside] = claim.size
            self.found.held.count(outside=claim.outside)
        elif claim.outside not in self._contradicted:
            self._contradicted.add(claim.outside)
            first = self._borne_out[claim.outside] + 1
            text = (
                f"{claim.place} is not that of the log's first {claim.size} events: what was"
                f" rewritten lies in positions {first} to {claim.size}"
            )
            at = first, None, CHECKPOINT
            self.found.findings.add([Finding(Discrepancy.HISTORY_REWRITTEN, *at, text)])

    async def _check_upper(self, tile: _Tile) -> None:
        """The stored tiles above, each as it is full, and the heads they are made of."""
        level, index, stored = 0, tile.index, tile.head
        head = perfect_head(tile.sealed)
        while True:
            self._check_head(level, index, head, stored)
            above = self._upper.setdefault(level + 1, [])
            above.append(head)
            if len(above) < TILE_WIDTH:
                return
            level, index = level + 1, index // TILE_WIDTH
            if (await self._stored(level, [index])).get(index) != b"".join(above):
                text = f"the tile {index} of level {level} is missing, or not that of those below"
                self.found.findings.add([_tree_finding(_first(level, index), text)])
            head, self._upper[level] = perfect_head(above), []
            stored = (await self._heads(level, index, index + 1)).get(index)

    def _check_head(self, level: int, index: int, head: bytes, stored: bytes | None) -> None:
        if stored not in (None, head):
            text = f"the head of the tile {index} of level {level} is not that of its hashes"
            self.found.findings.add([_tree_finding(_first(level, index), text)])


def _first(level: int, index: int) -> int:
    """The first position under a tile."""
    return (index << TILE_HEIGHT * (level + 1)) + 1


def _grown(known: Edge, leaves: Sequence[bytes | None]) -> Edge | bool:
    """The log's own tree with these leaves, as long as none of them is missing."""
    present = [leaf for leaf in leaves if leaf is not None]
    return len(present) == len(leaves) and known.grown(present)


def _tree_finding(position: int | None, what: str) -> Finding:
    return Finding(Discrepancy.TREE_DIFFERS, position, None, TREE, what)
