"""Tiles are where C2SP puts them, and hold what every node of the tree can be had from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.ledger.merkle import Node, hash_leaf, in_memory, perfect_head
from lending.ledger.tiles import (
    TILE_WIDTH,
    Bundle,
    Tile,
    TileFault,
    decode_bundle,
    encode_bundle,
    node_in_tile,
    parse_tile_path,
    split_hashes,
    tile_holding,
    tiles_of,
    width_at,
)

LEAVES = [hash_leaf(index.to_bytes(4, "big")) for index in range(70_000)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "0/000"),
        (Tile(0, 1_234_067), "0/x001/x234/067"),
        (Tile(2, 3, 4), "2/003.p/4"),
        (Tile(63, 1000, 255), "63/x001/000.p/255"),
        (Bundle(1_002), "entries/x001/002"),
        (Bundle(7, 1), "entries/007.p/1"),
    ],
)
def test_the_paths_are_those_of_the_specification(tile: Tile | Bundle, path: str) -> None:
    assert tile.path() == path
    assert parse_tile_path(path) == tile


@given(st.integers(0, 63), st.integers(0, 10**18), st.integers(1, TILE_WIDTH))
def test_every_path_leads_back(level: int, index: int, width: int) -> None:
    for tile in (Tile(level, index, width), Bundle(index, width)):
        assert parse_tile_path(tile.path()) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "0", "0/0", "0/0000", "00/000", "64/000", "-1/000", "0/x000/001", "0/001/002", "0/x001", "0/000.p/0",
        "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000/", "entries", "entries/1", "data/000", "0/٠٠٠", "0/000\n",
    ],
)  # fmt: skip
def test_other_paths_name_no_tile(path: str) -> None:
    with pytest.raises(TileFault):
        parse_tile_path(path)


def test_a_tree_of_70000_leaves_has_the_tiles_of_the_specification() -> None:
    tiles = tiles_of(70_000)
    by_level = [[tile.width for tile in tiles if tile.level == level] for level in range(3)]
    assert by_level == [[256] * 273 + [112], [256, 17], [1]]


def test_a_tree_of_256_leaves_has_a_partial_tile_above_a_full_one() -> None:
    assert tiles_of(256) == [Tile(0, 0), Tile(1, 0, 1)]


@given(st.integers(0, 200_000))
def test_each_tile_is_as_wide_as_the_tree_has_hashes_for_it(size: int) -> None:
    for tile in tiles_of(size)[-3:]:
        assert width_at(tile.level, tile.index, size) == tile.width
        after = width_at(tile.level, tile.index + 1, size)
        assert (after > 0) == (Tile(tile.level, tile.index + 1, after) in tiles_of(size))


@given(st.data())
def test_every_node_is_had_from_its_tile(data: st.DataObject) -> None:
    height = data.draw(st.integers(0, 16))
    node = Node(height, data.draw(st.integers(0, (len(LEAVES) >> height) - 1)))
    level, index = tile_holding(node)
    span = TILE_WIDTH**level
    first = index * TILE_WIDTH
    count = width_at(level, index, len(LEAVES))
    tile = b"".join(
        perfect_head(LEAVES[place * span : (place + 1) * span])
        for place in range(first, first + count)
    )
    assert node_in_tile(node, tile) == in_memory(LEAVES)(node)


def test_a_tile_that_is_too_narrow_gives_no_node() -> None:
    with pytest.raises(TileFault, match="too few"):
        node_in_tile(Node(1, 1), b"".join(LEAVES[:3]))
    with pytest.raises(TileFault, match="whole"):
        split_hashes(b"short")


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert list(decode_bundle(encode_bundle(entries))) == entries


def test_an_entry_that_is_too_long_is_in_no_bundle() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(TileFault, match="longer"):
        encode_bundle([bytes(65_536)])


def test_a_bundle_that_ends_inside_an_entry_is_refused() -> None:
    for bundle in (b"\x00", b"\x00\x02a", b"\x00\x01ab\x00"):
        with pytest.raises(TileFault, match="inside"):
            decode_bundle(bundle)
