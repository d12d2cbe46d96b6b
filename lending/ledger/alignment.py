"""Telling apart what was moved, put in, taken out and changed, where two sequences differ. Pure.

What belongs here: given where each row of a stretch was recorded, as far as that is known, which of
them stand in order, and what became of the others and of the places that no row accounts for.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Aligned:
    """What became of the first `rows` rows of a stretch, up to the place `next_origin`.

    Rows are named by their index, places by the position they were recorded at. `changed` pairs a
    row with the place it stands for; `last` is the last row that stands in order, with its place.
    """

    rows: int
    next_origin: int
    last: tuple[int, int] | None = None
    moved: list[tuple[int, int]] = field(default_factory=list)
    changed: list[tuple[int, int]] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)


def align(origins: Sequence[int | None], expected: int, *, ends: int | None = None) -> Aligned:
    """What became of rows whose places of record are `origins`, where known, of a stretch that
    should begin at `expected`.

    Only what stands before the last row in order is told, since what follows it shows what became
    of it; unless the stretch ends the log, where `ends` is the place behind its last one, or no row
    is in order at all.
    """
    anchors = longest_increasing(origins)
    taken = {origin for origin in origins if origin is not None}
    if not anchors:
        upto = ends if ends is not None else expected + len(origins)
        found = Aligned(len(origins), upto)
        _between(found, range(len(origins)), range(expected, upto), origins, taken)
        return found
    found = Aligned(0, expected)
    for index in anchors:
        origin = origins[index]
        assert origin is not None  # noqa: S101 anchors have one
        places = range(found.next_origin, origin)
        _between(found, range(found.rows, index), places, origins, taken)
        found.rows, found.next_origin, found.last = index + 1, origin + 1, (index, origin)
    if ends is not None:
        places = range(found.next_origin, ends)
        _between(found, range(found.rows, len(origins)), places, origins, taken)
        found.rows, found.next_origin = len(origins), max(ends, found.next_origin)
    return found


def _between(
    found: Aligned,
    rows: range,
    places: range,
    origins: Sequence[int | None],
    taken: set[int],
) -> None:
    """What became of the rows and the places between two that belong to each other."""
    unknown: list[int] = []
    for index in rows:
        origin = origins[index]
        if origin is None:
            unknown.append(index)
        else:
            found.moved.append((index, origin))
    free = [place for place in places if place not in taken]
    found.changed += zip(unknown, free, strict=False)
    found.inserted += unknown[len(free) :]
    found.missing += free[len(unknown) :]


def longest_increasing(origins: Sequence[int | None]) -> list[int]:
    """The indexes of the longest rising sequence among the known places."""
    ends: list[int] = []
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for index, origin in enumerate(origins):
        if origin is None:
            continue
        at = bisect_left(tails, origin)
        before[index] = ends[at - 1] if at else None
        ends[at:] = [index, *ends[at + 1 :]]
        tails[at:] = [origin, *tails[at + 1 :]]
    found: list[int] = []
    index_or_none = ends[-1] if ends else None
    while index_or_none is not None:
        found.append(index_or_none)
        index_or_none = before[index_or_none]
    return found[::-1]
