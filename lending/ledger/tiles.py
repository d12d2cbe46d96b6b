"""Tiles: the tree of a log as static resources (c2sp.org/tlog-tiles).

A tile holds up to 256 neighbouring hashes of every eighth level of the tree; a bundle holds the
entries under a tile of the lowest level. Those at the right edge are partial.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lending.ledger.merkle import HASH_BYTES, Node, perfect_head

TILE_HEIGHT: Final = 8
"""Levels of the tree between a tile's hashes and those of the tile above."""
TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""Hashes in a full tile."""
ENTRY_MAX_BYTES: Final = (1 << 16) - 1
"""The longest entry a bundle can hold."""

_LENGTH_BYTES: Final = 2
_FIRST_GROUP: Final = "x(?:00[1-9]|0[1-9][0-9]|[1-9][0-9]{2})/"
_INDEX: Final = f"((?:{_FIRST_GROUP}(?:x[0-9]{{3}}/){{0,5}})?[0-9]{{3}})"
_WIDTH: Final = r"(?:\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_LEVEL: Final = "([0-9]|[1-5][0-9]|6[0-3])"
_TILE: Final = re.compile(f"{_LEVEL}/{_INDEX}{_WIDTH}", re.ASCII)
_BUNDLE: Final = re.compile(f"entries/{_INDEX}{_WIDTH}", re.ASCII)
PATTERN: Final = f"^(?:{_LEVEL}|entries)/{_INDEX}{_WIDTH}$"
"""What paths of tiles and bundles are like, behind `tile/`."""


class TileFault(Exception):
    """A path that names no tile, or bytes that are not what a tile or bundle holds."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: its level, its index in the level, and how many hashes it has."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Its path behind `tile/`."""
        return f"{self.level}/{_index_path(self.index)}{_width_path(self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Which bundle: its index, and how many entries it has."""

    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Its path behind `tile/`."""
        return f"entries/{_index_path(self.index)}{_width_path(self.width)}"


def parse_tile_path(path: str) -> Tile | Bundle:
    """The tile or bundle at a path behind `tile/`. Raises TileFault."""
    if (found := _BUNDLE.fullmatch(path)) is not None:
        return Bundle(_index(found[1]), _width(found[2]))
    if (found := _TILE.fullmatch(path)) is None:
        raise TileFault(
            "a tile is at LEVEL/INDEX, a bundle of entries at entries/INDEX, the level up to 63, the index"
            " in groups of three digits, all but the last behind an x and no more than it needs, and for"
            " a part of it .p/WIDTH behind, up to 255"
        )
    return Tile(int(found[1]), _index(found[2]), _width(found[3]))


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes a tile has in a tree of `size` leaves; 0 where it is not there."""
    hashes = size >> (TILE_HEIGHT * level)
    return min(max(hashes - index * TILE_WIDTH, 0), TILE_WIDTH)


def tiles_of(size: int) -> list[Tile]:
    """Every tile of a tree of `size` leaves, partial ones included."""
    found: list[Tile] = []
    level, hashes = 0, size
    while hashes:
        full, rest = divmod(hashes, TILE_WIDTH)
        found += [Tile(level, index) for index in range(full)]
        if rest:
            found.append(Tile(level, full, rest))
        level, hashes = level + 1, full
    return found


def tile_holding(node: Node) -> tuple[int, int]:
    """Level and index of the tile from which a node can be had."""
    level = node.height // TILE_HEIGHT
    return level, (node.index << (node.height % TILE_HEIGHT)) // TILE_WIDTH


def node_in_tile(node: Node, hashes: bytes) -> bytes:
    """The hash of a node, from the hashes of the tile that holds it. Raises TileFault where the
    tile is too narrow.
    """
    height = node.height % TILE_HEIGHT
    begin = (node.index << height) % TILE_WIDTH
    wanted = hashes[begin * HASH_BYTES : (begin + (1 << height)) * HASH_BYTES]
    if len(wanted) != HASH_BYTES << height:
        raise TileFault(f"the tile has too few hashes for the node {node}")
    return perfect_head(split_hashes(wanted))


def split_hashes(tile: bytes) -> list[bytes]:
    """The hashes of a tile. Raises TileFault where it does not hold whole ones."""
    if len(tile) % HASH_BYTES:
        raise TileFault(f"{len(tile)} bytes are not whole hashes")
    return [tile[begin : begin + HASH_BYTES] for begin in range(0, len(tile), HASH_BYTES)]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries, each behind its length in two bytes. Raises TileFault for one that is too long."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_MAX_BYTES:
            raise TileFault(f"an entry of {len(entry)} bytes is longer than {ENTRY_MAX_BYTES}")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_bundle(bundle: bytes) -> Sequence[bytes]:
    """The entries of a bundle. Raises TileFault where it does not end with one."""
    entries: list[bytes] = []
    begin = 0
    while begin < len(bundle):
        end = begin + _LENGTH_BYTES + int.from_bytes(bundle[begin : begin + _LENGTH_BYTES], "big")
        if end > len(bundle) or begin + _LENGTH_BYTES > len(bundle):
            raise TileFault("the bundle ends inside an entry")
        entries.append(bundle[begin + _LENGTH_BYTES : end])
        begin = end
    return entries


def _index_path(index: int) -> str:
    path = f"{index % 1000:03}"
    while index := index // 1000:
        path = f"x{index % 1000:03}/{path}"
    return path


def _width_path(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"


def _index(path: str) -> int:
    return int(path.replace("x", "").replace("/", ""))


def _width(text: str | None) -> int:
    return TILE_WIDTH if text is None else int(text)
