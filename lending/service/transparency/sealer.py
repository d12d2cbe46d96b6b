"""Sealing: the next leaves of a shard's log become part of its tree, and a checkpoint is signed.

What belongs here: one step, in one transaction that holds the tree's row. It runs behind the log
and never beside the append lane. It never signs what does not extend the last checkpoint, stored or
published: it stops, and says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

import structlog

from lending.ledger import limits as log_limits
from lending.ledger.answer_chain import Link
from lending.ledger.checkpoints import Checkpoint, Origin, sign_checkpoint
from lending.ledger.lineage import verify_history
from lending.ledger.merkle import Edge, perfect_head
from lending.ledger.sealing import MasterKey
from lending.ledger.submission import HistoryRewound
from lending.ledger.tiles import TILE_WIDTH
from lending.ledger.tree import (
    SQL,
    Place,
    SignedCheckpoint,
    Tree,
    TreeBroken,
    TreeReader,
    read_checkpoint_row,
    read_heads,
    read_tree,
    tree_of,
)
from lending.runtime.postgres import Connection
from lending.service.signing_keys import read_seeds

GAP: Final = "gap"
TRUNCATED: Final = "truncated"
REWRITTEN: Final = "rewritten"

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Step(Enum):
    """What became of one step."""

    MOVED = "moved"
    IDLE = "idle"
    BUSY = "busy"
    STOPPED = "stopped"


class Halt(Exception):
    """Sealing has to stop: `because` of a gap, or as the log was truncated or rewritten behind a
    checkpoint.
    """

    def __init__(self, because: str, position: int, error: str) -> None:
        super().__init__(error)
        self.because = because
        self.position = position


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint that was seen outside the database, and where."""

    place: str
    epoch: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Around:
    """What holds around a tree: the log's epoch, where that began, and the log's end."""

    epoch: int
    first_position: int
    head: int


async def read_around(connection: Connection, shard: int) -> Around:
    """What holds around the tree of a shard."""
    row = await (await connection.execute(SQL["around"], {"shard": shard})).fetchone()
    if row is None:
        raise LookupError(f"the ledger has no lane for shard {shard}")
    return Around(*row)


async def require_tree(connection: Connection, shard: int) -> Tree:
    """The tree of a shard, which is made with the shard and stays. Raises HistoryRewound where it is
    gone: beginning another would seal whatever the log holds now as if it always had.
    """
    tree = await read_tree(connection, shard)
    if tree is None:
        raise HistoryRewound(
            "its tree is gone from transparency.trees: somebody removed it, and may have changed the log."
            " Find out with lending verify and published checkpoints, and restore a backup"
        )
    return tree


async def compare(connection: Connection, tree: Tree, around: Around, published: Published) -> bool:
    """Whether the tree reaches a published checkpoint, and so bears it out; it need not bear out
    one of a tail that a later epoch has given up. Raises Halt where it contradicts it, or where the
    log has lost what it covers.
    """
    size, place = published.size, published.place
    if published.epoch > around.epoch:
        text = f"{place} has a checkpoint of epoch {published.epoch}, the log is in {around.epoch}"
        raise Halt(TRUNCATED, around.head, text)
    if published.epoch == around.epoch - 1 and size >= around.first_position:
        return True
    if published.epoch < around.epoch - 1:
        asked = {"shard": tree.shard, "epoch": published.epoch}
        row = await (await connection.execute(SQL["begin_of_later_epochs"], asked)).fetchone()
        if row is not None and size >= row[0]:
            return True
    if size <= tree.size:
        if await TreeReader(connection, tree).head_at(size) != published.root:
            text = f"the tree of {size} leaves is not that of the checkpoint in {place}"
            raise Halt(REWRITTEN, size, text)
        return True
    if size > around.head:
        text = f"{place} has a checkpoint of {size} leaves, but the log ends at {around.head}"
        raise Halt(TRUNCATED, around.head, text)
    return False


class Sealer:
    """Seals one shard over one connection. `published` is what was seen outside when it began."""

    def __init__(
        self,
        connection: Connection,
        ledger_id: UUID,
        shard: int,
        *,
        master: MasterKey,
        clock: Callable[[], datetime],
        worker: str,
        published: Sequence[Published] = (),
        batch_max_events: int = log_limits.SEALING_BATCH_MAX_EVENTS,
    ) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self._shard = shard
        self._master = master
        self._clock = clock
        self._worker = worker
        self._published = published
        self._unproven = list(published)
        self._signed: Published | None = None
        self._limit = batch_max_events

    async def step(self) -> Step:
        """Seal what there is, up to a batch. Raises psycopg.Error, HistoryRewound, NoSigningKey."""
        standing = await self._look()
        if standing is not None:
            return standing
        try:
            async with self._connection.transaction():
                step, signed = await self._claimed()
        except Halt as halt:
            await self._stop(halt)
            return Step.STOPPED
        except TreeBroken as fault:
            await self._stop(Halt(REWRITTEN, 0, str(fault)))
            return Step.STOPPED
        self._signed = signed or self._signed
        return step

    async def _look(self) -> Step | None:
        """What there is to say without taking anything; None where there is something to do."""
        tree = await require_tree(self._connection, self._shard)
        if tree.state != "running":
            return Step.STOPPED
        around = await read_around(self._connection, self._shard)
        behind = self._signed is not None and tree.size < self._signed.size
        idle = around.head == tree.size and not self._unproven and not behind
        return Step.IDLE if idle else None

    async def _stop(self, halt: Halt) -> None:
        self._unproven = list(self._published)
        await stop_sealing(self._connection, self._shard, self._worker, halt)

    async def _claimed(self) -> tuple[Step, Published | None]:
        """What became of the step, and the checkpoint that it signed."""
        cursor = self._connection.cursor(binary=True)
        row = await (await cursor.execute(SQL["claim"], {"shard": self._shard})).fetchone()
        if row is None:
            return Step.BUSY, None
        tree = tree_of(self._shard, row)
        if tree.state != "running":
            return Step.STOPPED, None
        await verify_history(self._connection, self._shard, 0, None)
        around = await read_around(self._connection, self._shard)
        last = await read_checkpoint_row(self._connection, "last_checkpoint", self._shard)
        await self._require_whole(tree, around, last)
        self._unproven = [
            published
            for published in self._unproven
            if not await compare(self._connection, tree, around, published)
        ]
        if around.head == tree.size:
            return Step.IDLE, None
        return Step.MOVED, await self._grow(tree, around)

    async def _require_whole(
        self, tree: Tree, around: Around, last: SignedCheckpoint | None
    ) -> None:
        """Raise Halt where the tree is not that of its last checkpoint, or the log ends before it."""
        if tree.size > around.head:
            text = f"{tree.size} events are sealed, but the log ends at {around.head}"
            raise Halt(TRUNCATED, around.head, text)
        number, epoch = (0, 1) if last is None else (last.number, last.epoch)
        if epoch < around.epoch and tree.size >= around.first_position:
            text = f"epoch {around.epoch} begins at {around.first_position}, before what is sealed"
            raise Halt(TRUNCATED, around.first_position, text)
        if number != tree.checkpoint:
            text = f"the last checkpoint is {number}, but the tree's is {tree.checkpoint}"
            raise Halt(REWRITTEN, tree.size, text)
        if last is not None and await self._head_at(tree, last.size) != last.root:
            raise Halt(REWRITTEN, last.size, "the stored tree is not that of its last checkpoint")
        signed = self._signed
        if signed is not None and not await compare(self._connection, tree, around, signed):
            text = (
                f"{tree.size} events are sealed, but this worker has signed {signed.size} of them"
            )
            raise Halt(TRUNCATED, tree.size, text)

    async def _head_at(self, tree: Tree, size: int) -> bytes:
        if size == tree.size:
            return tree.known.head()
        return await TreeReader(self._connection, tree).head_at(size)

    async def _grow(self, tree: Tree, around: Around) -> Published | None:
        """Add the next leaves, up to the nearest published checkpoint that is not proven yet: before
        it is, nothing is signed. The checkpoint, where one is.
        """
        aims = [published.size for published in self._unproven]
        upto = min([around.head, tree.size + self._limit, *aims])
        leaves, recorded_at = await self._leaves(tree.size, upto)
        grown = tree.known.grown(leaves)
        behind = [*tree.edge, *leaves]
        full = len(behind) // TILE_WIDTH * TILE_WIDTH
        await self._store_tiles(tree.size // TILE_WIDTH, behind[:full])
        moved: dict[str, Any] = {
            "shard": self._shard,
            "size": grown.size,
            "subtrees": b"".join(grown.subtrees),
            "edge": b"".join(behind[full:]),
            "checkpoint": tree.checkpoint,
            "recorded_at": recorded_at,
            "worker": self._worker,
        }
        self._prove(grown)
        signed = None
        if not self._unproven:
            moved["checkpoint"] += 1
            signed = await self._sign(tree.checkpoint + 1, around.epoch, grown)
        await self._connection.execute(SQL["move"], moved)
        return signed

    async def _leaves(self, after: int, upto: int) -> tuple[list[bytes], datetime]:
        cursor = self._connection.cursor(binary=True)
        asked = {"shard": self._shard, "after": after, "limit": upto - after}
        rows = await (await cursor.execute(SQL["leaves"], asked)).fetchall()
        for position, row in enumerate(rows, after + 1):
            if row[0] != position:
                raise Halt(GAP, position, f"position {position} is missing")
        return [row[1] for row in rows], rows[-1][2]

    def _prove(self, grown: Edge) -> None:
        """Hold the tree against the published checkpoints it has just reached. Raises Halt."""
        for published in self._unproven:
            if published.size == grown.size and published.root != grown.head():
                text = f"the tree of {grown.size} leaves is not that of the checkpoint in {published.place}"
                raise Halt(REWRITTEN, grown.size, text)
        self._unproven = [one for one in self._unproven if one.size != grown.size]

    async def _sign(self, number: int, epoch: int, grown: Edge) -> Published:
        root = grown.head()
        origin = Origin(self._ledger_id, self._shard, epoch)
        seeds = await read_seeds(self._connection, self._shard, self._master, self._clock())
        answered = await self._answered()
        note = sign_checkpoint(Checkpoint(str(origin), grown.size, root, answered), seeds)
        signed = {
            "shard": self._shard,
            "number": number,
            "epoch": epoch,
            "size": grown.size,
            "root": root,
            "note": note,
        }
        await self._connection.execute(SQL["insert_checkpoint"], signed)
        return Published("this worker", epoch, grown.size, root)

    async def _answered(self) -> tuple[str, ...]:
        """The line that says how far the chain of answers has come; none before there is an answer."""
        row = await (
            await self._connection.execute(SQL["answered"], {"shard": self._shard})
        ).fetchone()
        return () if row is None else (Link(row[0], bytes(row[1])).line(),)

    async def _store_tiles(self, first_index: int, hashes: Sequence[bytes]) -> None:
        """Store the full tiles over these hashes, and those above that are full with them."""
        chunks = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes), TILE_WIDTH)]
        tiles = {(0, first_index + place): chunk for place, chunk in enumerate(chunks)}
        while tiles:
            await self._insert(tiles)
            full = [place for place in tiles if place[1] % TILE_WIDTH == TILE_WIDTH - 1]
            tiles = {
                (level + 1, index // TILE_WIDTH): await read_heads(
                    self._connection, self._shard, level + 1, index // TILE_WIDTH, TILE_WIDTH
                )
                for level, index in full
            }

    async def _insert(self, tiles: dict[Place, Sequence[bytes]]) -> None:
        rows = [
            {
                "shard": self._shard,
                "level": level,
                "tile_index": index,
                "hashes": b"".join(hashes),
                "head": perfect_head(hashes),
            }
            for (level, index), hashes in tiles.items()
        ]
        await self._connection.cursor().executemany(SQL["insert_tile"], rows)


async def stop_sealing(connection: Connection, shard: int, worker: str, halt: Halt) -> None:
    """Have every worker stop sealing a shard, until somebody lets it go on."""
    said = {"because": halt.because, "position": halt.position, "error": str(halt)}
    stopped = {"shard": shard, "worker": worker, **said}
    await connection.execute(SQL["stop"], stopped)
    _LOG.error("sealing stopped", shard=shard, **said)


async def resume(connection: Connection, shard: int) -> int:
    """Let sealing go on where it has stopped; the size of the tree. Raises LookupError."""
    async with connection.transaction():
        asked = {"shard": shard}
        if await (await connection.execute(SQL["claim_patiently"], asked)).fetchone() is None:
            raise LookupError(f"shard {shard} has no tree; see lending verify")
        await connection.execute(SQL["resume"], asked)
        tree = await read_tree(connection, shard)
    return 0 if tree is None else tree.size
