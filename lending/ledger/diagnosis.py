"""Saying what became of events that are not what was sealed: changed, moved, put in, taken out.

What belongs here: walking the log from the first suspect on, beside the leaves that were sealed, and
naming what differs. It knows an event wherever it stands by hashing it as of its place of record, so
a log whose every position moved by one is one finding, not a million.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from lending.ledger.alignment import Aligned, align
from lending.ledger.checkpoint_claims import CHECKPOINT
from lending.ledger.explaining import Clue, Explainer, fitting
from lending.ledger.findings import FINDINGS_MAX, Discrepancy, Finding, Suspects
from lending.ledger.stored_rows import (
    APPLICATION,
    LEAF,
    POSITION,
    SQL,
    VERSION,
    StoredRow,
    is_as_hashed,
)
from lending.ledger.tiles import TILE_WIDTH, split_hashes
from lending.ledger.tree import SQL as TREE_SQL
from lending.ledger.tree import read_tree
from lending.ledger.tree_checks import Beyond
from lending.ledger.verification import ShardOfLog, stored_rows
from lending.runtime.postgres import Connection

WINDOW_EVENTS: Final = 128
"""Events that are looked at together: as many may have been put in or taken out side by side, the
others closing up, and still be told from a change of everything behind them.
"""
EXPLAINED_MAX: Final = 50
"""Events for which it is looked up elsewhere what they were; the others are named by position."""


@dataclass(slots=True)
class _Unclear:
    """What stands where it should not, with the place it seems to stand for, if any; and places that
    nothing accounts for, long stretches of them by first and last. `stopped_at` is where there was
    too much of it to go on.
    """

    rows: list[tuple[StoredRow, int | None]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    moved: list[tuple[StoredRow, int]] = field(default_factory=list)
    stopped_at: int | None = None

    @property
    def full(self) -> bool:
        return len(self.rows) + len(self.places) + len(self.moved) >= FINDINGS_MAX


class Diagnosis:
    """Diagnoses one shard over one connection, in the caller's snapshot.

    `sealed_size` is how many events are sealed, none where the stored tree is not to be trusted;
    `clues` say which application's version was recorded at a position, as others know it.
    """

    def __init__(
        self, connection: Connection, log: ShardOfLog, sealed_size: int, clues: Sequence[Clue]
    ) -> None:
        self._connection = connection
        self._log = log
        self._sealed_size = sealed_size
        self._explainer = Explainer(connection, log, clues)
        self._sealed: dict[int, bytes] = {}
        self._edge: tuple[bytes, ...] = ()
        self._versions: dict[UUID, int] = {}
        self._unclear = _Unclear()
        self._explained = 0
        self._shift = 0

    async def of(self, suspects: Suspects) -> tuple[list[Finding], int]:
        """What became of what stands at these positions; and how many events of those that were
        recorded the log accounts for.
        """
        tree = await read_tree(self._connection, self._log.shard)
        self._edge = () if tree is None else tree.edge
        head = await self._head()
        accounted = await self._walk(sorted(set(suspects.positions)), suspects.more, head)
        return await self._findings(), accounted

    async def _head(self) -> int:
        row = await (
            await self._connection.execute(TREE_SQL["around"], {"shard": self._log.shard})
        ).fetchone()
        return 0 if row is None else int(row[2])

    async def _walk(self, suspects: Sequence[int], more: bool, head: int) -> int:
        """Go from suspect to suspect, and through everything where positions have moved; how many
        recorded events are accounted for.
        """
        waiting = list(reversed(suspects))
        shift, origin = 0, 1
        while not self._unclear.full:
            while waiting and waiting[-1] < origin + shift:
                waiting.pop()
            if shift == 0 and waiting:
                origin = max(origin, waiting[-1])
            if shift == 0 and not waiting and not more:
                return head
            if origin + shift > head:
                return origin - 1
            origin, shift = await self._window(origin, shift, head)
        self._unclear.stopped_at = origin + shift
        return head - shift

    async def _window(self, origin: int, shift: int, head: int) -> tuple[int, int]:
        """Look at the next events; the place of record to go on at, and by how much positions are
        moved from there on.
        """
        self._shift = shift
        begin, end = origin + shift, min(origin + shift + WINDOW_EVENTS - 1, head)
        rows = [
            row
            async for page in stored_rows(self._connection, self._log.shard, begin, end)
            for row in page
        ]
        if not rows:
            last = await self._end_of_gap(end, head) - shift
            self._unclear.gaps.append((origin, last))
            return last + 1, shift
        self._sealed = await self._read_sealed(origin, origin + 2 * WINDOW_EVENTS)
        origins = self._origins(rows, shift, head)
        ends = _end_of(origins, end - shift + 1) if end == head else None
        aligned = align(origins, origin, ends=ends)
        self._note(aligned, rows, origins, shift)
        if aligned.last is not None:
            index, place = aligned.last
            shift = rows[index][POSITION] - place
        return aligned.next_origin, shift

    async def _end_of_gap(self, position: int, head: int) -> int:
        """The last position behind this one that is missing too."""
        asked = {"shard": self._log.shard, "begin": position + 1, "upto": head, "limit": 1}
        row = await (await self._connection.execute(SQL["stretch"], asked)).fetchone()
        return head if row is None else int(row[POSITION]) - 1

    # places of record

    def _origins(self, rows: Sequence[StoredRow], shift: int, head: int) -> list[int | None]:
        """The place of record of each row, as far as one of those at hand fits."""
        origins: list[int | None] = []
        for row in rows:
            place = row[POSITION] - shift
            origins.append(place if self._fits(row, place) else None)
        if None not in origins:
            return origins
        taken = set(origins)
        begin = rows[0][POSITION] - shift
        at_hand = range(begin, min(begin + 2 * WINDOW_EVENTS, head - shift + 1))
        free = [place for place in at_hand if place not in taken]
        by_leaf = {self._sealed[place]: place for place in free if place in self._sealed}
        for by_content in (True, False):
            for index, row in enumerate(rows):
                if origins[index] is not None:
                    continue
                place = by_leaf.get(row[LEAF])
                if by_content and (place is None or not self._fits(row, place)):
                    place = self._place_of(row, free)
                if place in free:
                    origins[index] = place
                    free.remove(place)
        return origins

    def _place_of(self, row: StoredRow, places: Sequence[int]) -> int | None:
        return next((place for place in places if self._fits(row, place)), None)

    def _fits(self, row: StoredRow, place: int) -> bool:
        """Whether this is what was recorded at a place, whatever position it has now."""
        sealed = self._sealed.get(place)
        if sealed is None and place <= self._sealed_size:
            return False
        if sealed is None:  # not sealed yet: its own leaf tells where it was recorded
            if row[POSITION] - self._shift == place and is_as_hashed(self._log.ledger_id, row):
                return True
            sealed = row[LEAF]
        application_id, version = row[APPLICATION], row[VERSION]
        known = self._versions.get(application_id, 0)
        for moved in dict.fromkeys((known, 0, 1, -1)):
            if fitting(self._log.ledger_id, row, sealed, position=place, version=version - moved):
                self._versions[application_id] = moved
                return True
        return False

    async def _read_sealed(self, begin: int, end: int) -> dict[int, bytes]:
        """The leaves that were sealed at places from `begin` up to, not including, `end`."""
        end = min(end, self._sealed_size + 1)
        if begin >= end:
            return {}
        indexes = list(range((begin - 1) // TILE_WIDTH, (end - 2) // TILE_WIDTH + 1))
        asked: dict[str, Any] = {
            "shard": self._log.shard,
            "levels": [0] * len(indexes),
            "indexes": indexes,
        }
        rows = await (await self._connection.execute(TREE_SQL["full_tiles"], asked)).fetchall()
        found: dict[int, bytes] = {}
        edge = (self._sealed_size - len(self._edge), self._edge)
        for first, hashes in (
            *((i * TILE_WIDTH, split_hashes(bytes(h))) for _, i, h in rows),
            edge,
        ):
            found.update(enumerate(hashes, first + 1))
        return {place: leaf for place, leaf in found.items() if begin <= place < end}

    # what became of them

    def _note(
        self,
        aligned: Aligned,
        rows: Sequence[StoredRow],
        origins: Sequence[int | None],
        shift: int,
    ) -> None:
        unclear = self._unclear
        for index, place in aligned.moved:
            unclear.moved.append((rows[index], place))
        unclear.rows += [(rows[index], place) for index, place in aligned.changed]
        unclear.rows += [(rows[index], None) for index in aligned.inserted]
        unclear.places += aligned.missing
        moved = {index for index, _ in aligned.moved}
        steady = [
            (row, place)
            for index, (row, place) in enumerate(zip(rows, origins, strict=True))
            if place is not None and index not in moved and index < aligned.rows
        ]
        self._note_displaced(steady, shift)
        for row, place in steady:
            if not self._is_intact(row, place):
                unclear.rows.append((row, place))

    def _note_displaced(self, steady: Sequence[tuple[StoredRow, int]], shift: int) -> None:
        """Rows in order that yet stand apart from their neighbours on either side: of two that were
        swapped, the other.
        """
        by = [row[POSITION] - place for row, place in steady]
        after = [*by[1:], by[-1] if by else 0]
        for (row, place), before, own, behind in zip(steady, [shift, *by], by, after, strict=False):
            if own not in (before, behind):
                self._unclear.moved.append((row, place))

    def _is_intact(self, row: StoredRow, place: int) -> bool:
        """Whether a row that was known by its hash, or at its place, holds what was hashed."""
        if not self._fits(row, place):
            return False
        return row[POSITION] != place or is_as_hashed(self._log.ledger_id, row)

    async def _findings(self) -> list[Finding]:
        """Name what became of each, once all of it is at hand: what was moved far is known again."""
        unclear = self._unclear
        places = [*unclear.places, *(place for _, place in unclear.rows if place is not None)]
        await self._match_far(places)
        found = [self._moved(row, place) for row, place in unclear.moved]
        gone = {place for _, place in unclear.moved}
        missing = [place for place in unclear.places if place not in gone]
        for row, place in unclear.rows:
            if place is None or place in gone:
                found.append(self._inserted(row))
            else:
                found.append(await self._changed(row, place))
        found += await self._missing(ranges_of([*((one, one) for one in missing), *unclear.gaps]))
        if unclear.stopped_at is not None:
            text = "too much differs to be told in full: from here on it was not looked at"
            at = unclear.stopped_at, None, "leaf_hash"
            found.append(Finding(Discrepancy.CONTENT_DIFFERS, *at, text))
        return found

    async def _match_far(self, places: Sequence[int]) -> None:
        """Take for moved what fits a place far off."""
        self._sealed = {}
        for place in places[:WINDOW_EVENTS]:
            self._sealed |= await self._read_sealed(place, place + 1)
        unclear, rest = self._unclear, []
        for row, stands_for in unclear.rows[:WINDOW_EVENTS]:
            there = self._place_of(row, [other for other in self._sealed if other != stands_for])
            if there is None:
                rest.append((row, stands_for))
                continue
            del self._sealed[there]
            unclear.moved.append((row, there))
            unclear.places += [] if stands_for is None else [stands_for]
        unclear.rows = rest + unclear.rows[WINDOW_EVENTS:]

    def _moved(self, row: StoredRow, place: int) -> Finding:
        text = f"the event that was recorded at position {place} stands here"
        return self._finding(Discrepancy.REORDERED, row, "position", text)

    def _inserted(self, row: StoredRow) -> Finding:
        text = "an event that was never recorded here stands among those that were"
        return self._finding(Discrepancy.INSERTED, row, "position", text)

    async def _changed(self, row: StoredRow, place: int) -> Finding:
        self._explained += 1
        if self._explained > EXPLAINED_MAX:
            text = "a column or the data was changed"
            return self._finding(Discrepancy.CONTENT_DIFFERS, row, "leaf_hash", text)
        sealed: bytes = (await self._read_sealed(place, place + 1)).get(place) or row[LEAF]
        explained = await self._explainer.explain(row, place, sealed)
        return self._finding(explained.discrepancy, row, explained.column, explained.what)

    async def _missing(self, ranges: Sequence[tuple[int, int]]) -> list[Finding]:
        found = []
        for number, (first, last) in enumerate(ranges):
            known = number < EXPLAINED_MAX
            application_id = await self._explainer.whose(first) if known else None
            which = f"position {first}" if first == last else f"positions {first} to {last}"
            text = f"what was recorded at {which} is not there"
            at = first, application_id, "position"
            found.append(Finding(Discrepancy.MISSING, *at, text))
        return found

    def _finding(self, discrepancy: Discrepancy, row: StoredRow, column: str, what: str) -> Finding:
        return Finding(discrepancy, row[POSITION], row[APPLICATION], column, what)


def ranges_of(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of positions, those that touch made one, each by first and last."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(set(ranges)):
        if found and found[-1][1] >= first - 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def _end_of(origins: Sequence[int | None], otherwise: int) -> int:
    """The place behind the log's last one, counted from its last row that is known."""
    for behind, origin in enumerate(reversed(origins)):
        if origin is not None:
            return origin + behind + 1
    return otherwise


def truncated(beyond: Sequence[Beyond], sealed_size: int, accounted: int) -> list[Finding]:
    """What covers more events than the log accounts for."""
    if sealed_size > accounted and not any(one.column == CHECKPOINT for one in beyond):
        beyond = [*beyond, Beyond("the stored tree", sealed_size, "tree")]
    return [
        Finding(
            Discrepancy.TRUNCATED,
            accounted + 1,
            one.application_id,
            one.column,
            f"{one.place} covers {one.size} events, but the log accounts for {accounted}",
        )
        for one in beyond
        if one.size > accounted
    ]
