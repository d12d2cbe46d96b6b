"""Checkpoints: the signed head of a shard's log at a size (c2sp.org/tlog-checkpoint).

The origin names ledger, shard and epoch: lending/LEDGER_ID/SHARD/EPOCH. A log that lost its tail is
another log, so under one origin no two checkpoints ever contradict each other; what an earlier
epoch's checkpoints say up to where the later one began holds for the later one too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from lending.ledger.merkle import HASH_BYTES
from lending.ledger.notes import (
    NoteFault,
    Signer,
    Verifier,
    decoded,
    encoded,
    open_note,
    parse_note,
    sign_note,
)

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ORIGIN: Final = re.compile(rf"lending/({_UUID})/(0|[1-9][0-9]{{0,3}})/([1-9][0-9]{{0,9}})")
_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")
_LINES: Final = 3


class CheckpointFault(NoteFault):
    """Text that is no checkpoint, or not one of the log that was expected."""


class Origin(NamedTuple):
    """Which log a checkpoint is of: an epoch of a shard of a ledger."""

    ledger_id: UUID
    shard: int
    epoch: int

    def __str__(self) -> str:
        """The first line of its checkpoints, and the name its keys sign under."""
        return f"lending/{self.ledger_id}/{self.shard}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: `root` is the head of the tree of its first `size` leaves.

    `extensions` are the lines behind these: how far the chain of answers had come.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), encoded(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_origin(text: str) -> Origin:
    """The log that an origin names. Raises CheckpointFault."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise CheckpointFault(f"{text!r} is no origin of a ledger's log")
    return Origin(UUID(found[1]), int(found[2]), int(found[3]))


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is. Raises CheckpointFault."""
    lines = text.split("\n")
    if len(lines) <= _LINES or not all(lines[:-1]) or lines[-1]:
        raise CheckpointFault("a checkpoint has three lines, each of them followed by a newline")
    origin, size, root = lines[:_LINES]
    if not _SIZE.fullmatch(size):
        raise CheckpointFault("the size of the checkpoint is no decimal number")
    head = decoded(root, "the root of the checkpoint", HASH_BYTES)
    return Checkpoint(origin, int(size), head, tuple(lines[_LINES:-1]))


def read_checkpoint(note: str) -> Checkpoint:
    """The checkpoint in a signed note, its signatures not looked at. Raises NoteFault."""
    return parse_checkpoint(parse_note(note).text)


def sign_checkpoint(checkpoint: Checkpoint, seeds: Iterable[bytes]) -> str:
    """The signed note of a checkpoint: each key signs under the name of its origin."""
    return sign_note(checkpoint.text(), [Signer(checkpoint.origin, seed) for seed in seeds])


def open_checkpoint(
    note: str, origin: str, public_keys: Iterable[bytes]
) -> tuple[Checkpoint, tuple[Verifier, ...]]:
    """The checkpoint in a note that one of these keys signed for `origin`, and the keys that did.

    Raises NoteFault where none did, one of them wrongly, or the log is another one.
    """
    opened, signed = open_note(note, [Verifier(origin, key) for key in public_keys])
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != origin:
        raise CheckpointFault(f"the checkpoint is of {checkpoint.origin}, not of {origin}")
    return checkpoint, signed
