"""The tree is that of RFC 9162: Certificate Transparency's vectors, and the RFC's own recursion, written
out here once more.
"""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.ledger.merkle import (
    EMPTY_ROOT,
    Edge,
    consistency_path,
    hash_leaf,
    hashes_of,
    in_memory,
    inclusion_path,
    tree_head,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"
    )
]  # fmt: skip
LEAVES = [hash_leaf(entry) for entry in ENTRIES]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAVES_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LEAVES_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LEAVES_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
LEAVES_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"

sizes = st.integers(1, 600)


def naive_head(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_head(leaves[:k]) + naive_head(leaves[k:])).digest()


def some_leaves(size: int) -> list[bytes]:
    return [hash_leaf(str(index).encode()) for index in range(size)]


def inclusion(leaves: list[bytes], index: int) -> tuple[bytes, ...]:
    return hashes_of(inclusion_path(index, len(leaves)), in_memory(leaves))


def consistency(leaves: list[bytes], first: int) -> tuple[bytes, ...]:
    return hashes_of(consistency_path(first, len(leaves)), in_memory(leaves))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_heads_are_those_of_certificate_transparency(size: int) -> None:
    assert tree_head(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_head_of_no_leaves_is_the_hash_of_nothing() -> None:
    assert Edge().head() == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (0, 8, [LEAF_1, LEAVES_2_3, LEAVES_4_7]),
        (5, 8, [LEAF_4, LEAVES_6_7, ROOTS[3]]),
        (2, 3, [ROOTS[1]]),
        (1, 5, [ROOTS[0], LEAVES_2_3, LEAF_4]),
    ],
)
def test_inclusion_proofs_are_those_of_certificate_transparency(
    index: int, size: int, proof: list[str]
) -> None:
    assert [one.hex() for one in inclusion(LEAVES[:size], index)] == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [
        (1, 1, []),
        (1, 8, [LEAF_1, LEAVES_2_3, LEAVES_4_7]),
        (6, 8, [LEAVES_4_5, LEAVES_6_7, ROOTS[3]]),
        (2, 5, [LEAVES_2_3, LEAF_4]),
    ],
)
def test_consistency_proofs_are_those_of_certificate_transparency(
    first: int, second: int, proof: list[str]
) -> None:
    assert [one.hex() for one in consistency(LEAVES[:second], first)] == proof


@given(sizes, st.data())
def test_a_tree_that_grows_by_pieces_is_the_tree_of_all(size: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, size))
    leaves = some_leaves(size)
    grown = Edge().grown(leaves[:cut]).grown(leaves[cut:])
    assert (grown.size, grown.head()) == (size, naive_head(leaves))


@given(sizes, st.data())
def test_every_leaf_is_proven_and_no_other_in_its_place(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size + 3))
    proof, head = inclusion(leaves, index), naive_head(leaves)
    assert verify_inclusion(leaves[index], index, size, proof, head)
    assert (other == index) == verify_inclusion(leaves[index], other, size, proof, head)
    assert not verify_inclusion(hash_leaf(b"other"), index, size, proof, head)


@given(sizes, st.data())
def test_every_tree_is_proven_to_extend_every_earlier_one(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    first = data.draw(st.integers(0, size))
    proof = consistency(leaves, first)
    heads = naive_head(leaves[:first]), naive_head(leaves)
    assert verify_consistency(first, size, *heads, proof)
    if first:
        changed = [hash_leaf(b"changed"), *leaves[1:]]
        rewritten = consistency(changed, first)
        assert not verify_consistency(first, size, heads[0], naive_head(changed), rewritten)


@given(sizes, st.data())
def test_a_proof_with_one_bit_changed_or_one_hash_more_or_less_proves_nothing(
    size: int, data: st.DataObject
) -> None:
    leaves, head = some_leaves(size), naive_head(some_leaves(size))
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    included, extended = list(inclusion(leaves, index)), list(consistency(leaves, first))
    first_head = naive_head(leaves[:first])
    for proof in broken(included, data):
        assert not verify_inclusion(leaves[index], index, size, proof, head)
    for proof in broken(extended, data):
        assert not verify_consistency(first, size, first_head, head, proof)


def broken(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    if not proof:
        return [[bytes(32)]]
    place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(proof[place], "big") ^ (1 << bit)).to_bytes(32, "big")
    return [
        [*proof[:place], flipped, *proof[place + 1 :]],
        [*proof, bytes(32)],
        proof[:-1],
        proof[1:],
    ]


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_beyond_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_path(index, size)
    assert not verify_inclusion(LEAVES[0], index, size, [], tree_head(LEAVES[:3]))


def test_a_smaller_tree_extends_no_larger_one() -> None:
    with pytest.raises(ValueError, match="cannot extend"):
        consistency_path(4, 3)
    assert not verify_consistency(4, 3, tree_head(LEAVES[:4]), tree_head(LEAVES[:3]), [])
