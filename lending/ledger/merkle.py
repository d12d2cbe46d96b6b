"""The Merkle tree of a log: heads, proofs, and their verification (RFC 9162, section 2.1).

What belongs here: arithmetic on hashes. Which hashes a proof is made of is said as ranges of
leaves, which fall into perfect subtrees (`Node`), so that whoever holds the tree in memory, in
tiles or in a table reads just those.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
"""The size of a hash: SHA-256."""
EMPTY_ROOT: Final = sha256(b"").digest()
"""The head of the tree without leaves."""

_LEAF_PREFIX: Final = b"\x00"
_NODE_PREFIX: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Node:
    """A perfect subtree: that of the 2**height leaves from index * 2**height on."""

    height: int
    index: int


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaves from `begin` up to, not including, `end`, whose subtree a proof names."""

    begin: int
    end: int

    def nodes(self) -> tuple[Node, ...]:
        """The perfect subtrees it falls into, left to right; `begin` is where a subtree begins."""
        found, begin = [], self.begin
        while begin < self.end:
            height = (self.end - begin).bit_length() - 1
            found.append(Node(height, begin >> height))
            begin += 1 << height
        return tuple(found)


Read = Callable[[Node], bytes]
"""Gives the hash of a perfect subtree."""


def hash_leaf(entry: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 || entry)."""
    return sha256(_LEAF_PREFIX + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(_NODE_PREFIX + left + right).digest()


def fold(subtrees: Sequence[bytes]) -> bytes:
    """The head of neighbouring perfect subtrees that get smaller from left to right."""
    if not subtrees:
        return EMPTY_ROOT
    head = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        head = hash_children(left, head)
    return head


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The level above an even number of neighbouring hashes."""
    pairs = iter(hashes)
    return [hash_children(left, right) for left, right in zip(pairs, pairs, strict=True)]


def perfect_head(hashes: Sequence[bytes]) -> bytes:
    """The head of a perfect subtree, from the hashes of one of its levels."""
    while len(hashes) > 1:
        hashes = parents(hashes)
    return hashes[0]


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree of `size` leaves, known by the perfect subtrees it falls into, left to right: all that
    is needed to let it grow.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def head(self) -> bytes:
        """The head of the tree (RFC 9162, section 2.1.1)."""
        return fold(self.subtrees)

    def grown(self, leaf_hashes: Iterable[bytes]) -> "Edge":
        """The tree with these leaves behind its own."""
        size, stack = self.size, list(self.subtrees)
        for leaf in leaf_hashes:
            head, completed = leaf, size
            while completed & 1:
                head = hash_children(stack.pop(), head)
                completed >>= 1
            stack.append(head)
            size += 1
        return Edge(size, tuple(stack))


def tree_head(leaf_hashes: Iterable[bytes]) -> bytes:
    """The head of the tree of these leaves."""
    return Edge().grown(leaf_hashes).head()


def inclusion_path(index: int, size: int) -> tuple[Leaves, ...]:
    """The subtrees whose heads prove leaf `index` in the tree of `size`, from the leaf upwards (RFC
    9162, section 2.1.3.1). Raises ValueError where there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(Leaves(middle, end))
            end = middle
        else:
            path.append(Leaves(begin, middle))
            begin = middle
    return tuple(reversed(path))


def consistency_path(first: int, second: int) -> tuple[Leaves, ...]:
    """The subtrees whose heads prove that the tree of `second` leaves extends that of `first` (RFC
    9162, section 2.1.4.1); none where one is empty or they are the same. Raises ValueError.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} leaves cannot extend one of {first}")
    if first in (0, second):
        return ()
    path: list[Leaves] = []
    begin, end, whole = 0, second, True
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(Leaves(middle, end))
            end = middle
        else:
            path.append(Leaves(begin, middle))
            begin, whole = middle, False
    own = () if whole else (Leaves(begin, end),)
    return own + tuple(reversed(path))


def hashes_of(path: Iterable[Leaves], read: Read) -> tuple[bytes, ...]:
    """The hashes of a proof whose subtrees are `path`."""
    return tuple(fold([read(node) for node in leaves.nodes()]) for leaves in path)


def in_memory(leaf_hashes: Sequence[bytes]) -> Read:
    """Reads a tree whose leaves are at hand."""

    def read(node: Node) -> bytes:
        begin = node.index << node.height
        return perfect_head(leaf_hashes[begin : begin + (1 << node.height)])

    return read


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes
) -> bool:
    """Whether `proof` shows that the leaf stands at `index` in the tree of `size` with this head
    (RFC 9162, section 2.1.3.2).
    """
    if not 0 <= index < size:
        return False
    found = _head_from_inclusion(leaf_hash, index, size - 1, proof)
    return found == head


def _head_from_inclusion(
    leaf_hash: bytes, node: int, last: int, proof: Sequence[bytes]
) -> bytes | None:
    head = leaf_hash
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            head = hash_children(sibling, head)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            head = hash_children(head, sibling)
        node, last = node >> 1, last >> 1
    return head if last == 0 else None


def verify_consistency(
    first: int, second: int, first_head: bytes, second_head: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `second` leaves with its head extends that of `first`
    (RFC 9162, section 2.1.4.2). The empty tree is extended by every tree, with an empty proof.
    """
    if first == 0:
        return second >= 0 and not proof and first_head == EMPTY_ROOT
    if first == second:
        return not proof and first_head == second_head
    if not 0 < first < second or not proof:
        return False
    steps = [first_head, *proof] if first & (first - 1) == 0 else list(proof)
    return _heads_from_consistency(first - 1, second - 1, steps) == (first_head, second_head)


def _heads_from_consistency(
    node: int, last: int, steps: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            first, second = hash_children(step, first), hash_children(step, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = hash_children(second, step)
        node, last = node >> 1, last >> 1
    return (first, second) if last == 0 else None


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
